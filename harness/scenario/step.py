"""What every step is made of."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Any, ClassVar, NamedTuple

import pydantic

from harness.target import Size
from harness.yaml_document import Record

# Not lax: true is no 1.
Whole = Annotated[int, pydantic.Strict()]
Index = Annotated[Whole, pydantic.Field(ge=0)]
PositiveSize = Annotated[Size, pydantic.Field(gt=0)]

_DAX_NAME = re.compile(r"dax(\d+)\.(\d+)")


class DaxName(NamedTuple):
    """A device of soft-reserved memory, ``dax0.1``: its region, by ascending address, and id.

    The kernel's own name is the same in a guest without pmem, whose regions share the numbers.
    """

    region: int
    id: int

    def __str__(self) -> str:
        return f"dax{self.region}.{self.id}"


def _parse_dax_name(value: Any) -> Any:
    match = _DAX_NAME.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"{value!r} is not a device such as dax0.1")
    return DaxName(int(match[1]), int(match[2]))


Device = Annotated[DaxName, pydantic.BeforeValidator(_parse_dax_name)]


class Step(Record):
    """One action in the guest; ``kind`` is its key in YAML.

    ``programs`` are those that its guest must have beside daxprobe; ``needs_guest`` is false
    for what is done to a kernel that nobody boots.
    """

    kind: ClassVar[str]
    needs_guest: ClassVar[bool] = True
    programs: ClassVar[tuple[str, ...]] = ()

    @property
    def boot_arguments(self) -> tuple[str, ...]:
        """What the kernel of its guest must be told when it boots."""
        return ()


def boot_arguments(steps: Iterable[Step]) -> tuple[str, ...]:
    """What the kernel of a guest that is to do these steps is told, each once."""
    return tuple(dict.fromkeys(word for step in steps for word in step.boot_arguments))


class DeviceStep(Step):
    """A step about a device: what was last made in a pmem region, or one that is named.

    ``device`` names one of soft-reserved memory in place of ``region``: ``dax0.1`` is device 1
    of the first region of such memory.
    """

    region: Index = 0
    device: Device | None = None

    @property
    def place(self) -> int | DaxName:
        """The one of the two that counts."""
        return self.region if self.device is None else self.device

    @pydantic.model_validator(mode="after")
    def _one_place(self) -> DeviceStep:
        if self.device is not None and {"region"} & self.model_fields_set:
            raise ValueError("a device is named, and a pmem region as well")
        if self.device is not None and getattr(self, "memory", "devdax") != "devdax":
            raise ValueError("a device is named, which is memory: devdax")
        return self
