"""What every step is made of."""

from __future__ import annotations

from typing import Annotated, ClassVar

import pydantic

from harness.target import Size
from harness.yaml_document import Record

Index = Annotated[int, pydantic.Field(ge=0)]
PositiveSize = Annotated[Size, pydantic.Field(gt=0)]


class Step(Record):
    """One action in the guest; ``kind`` is its key in YAML.

    ``needs_guest`` is false for what is done to a kernel that nobody boots.
    """

    kind: ClassVar[str]
    needs_guest: ClassVar[bool] = True
