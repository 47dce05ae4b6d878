"""Targets: what a guest is, each one data file ``qemu/<name>.yaml`` beside its template.

Nothing about a target lives in Python: a new architecture is one more file here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeAlias

import pydantic

from harness.errors import UserError, nearest
from harness.shipped import shipped
from harness.units import parse_size
from harness.yaml_document import Record, load_documents

TARGETS_DIR = shipped("qemu")

GROUPS = ("all", "variants")
"""Words that stand for several targets: those that every night has, and the others."""

OpcodeFixup: TypeAlias = Literal["ppc64", "s390x"]
"""Whose instructions are rewritten for TCG (``harness/machine/opcodes.py``)."""

Size = Annotated[int, pydantic.BeforeValidator(parse_size)]


def _parse_version(text: Any) -> tuple[int, int]:
    major, _, minor = str(text).partition(".")
    return int(major), int(minor or 0)


Version = Annotated[tuple[int, int], pydantic.BeforeValidator(_parse_version)]


def _compile(text: Any) -> re.Pattern[str]:
    try:
        return re.compile(text, re.MULTILINE)
    except re.error as exc:
        raise ValueError(f"no regular expression: {exc}") from exc


Pattern = Annotated[re.Pattern[str], pydantic.BeforeValidator(_compile)]


class Option(Record):
    """One machine option: ``since`` is the first QEMU that takes it, ``why`` what breaks."""

    option: str
    since: Version | None = None
    why: str | None = None


class KernelGate(Record):
    """A symbol that the architecture lets a kernel have, from ``since`` until ``before``.

    ``asked`` is one that has to be asked for as well; none asks for the others, which are
    selected. ``by`` is a symbol of a part of the architecture, where not all of it has this one.
    """

    symbol: str
    since: Version
    before: Version | None = None
    asked: bool = False
    by: str | None = None


class KernelBuild(Record):
    """How the kernel of a target is built: the words of the kernel's own Makefile.

    ``needs`` are symbols without which a guest is another target than this one. ``gates`` are
    the architecture's, and stand in one data file of it, with ``known_by``: a symbol that all of
    its targets' fragments ask for, and no other's do.
    """

    arch: str
    cross_compile: str
    image: str
    fragments: tuple[str, ...]
    known_by: str | None = None
    gates: tuple[KernelGate, ...] = ()
    needs: tuple[str, ...] = ()
    opcode_fixup: OpcodeFixup | None = None

    @property
    def compiler(self) -> tuple[str, ...]:
        """Its programs whose versions make a kernel another one."""
        return tuple(f"{self.cross_compile}{tool}" for tool in ("gcc", "ld"))

    @pydantic.model_validator(mode="after")
    def _gates_are_known(self) -> Self:
        if self.gates and self.known_by is None:
            raise ValueError("gates need known_by, a symbol that tells the architecture")
        return self


class Packages(Record):
    """Debian packages that the host needs for this target."""

    compiler: tuple[str, ...]
    qemu: tuple[str, ...]


class Qemu(Record):
    """The emulator and the machine.

    ``console_tty`` is the guest's name of its first serial port, ``numa`` tells whether the
    machine can have memory nodes. ``own_firmware`` is the name of a source in ``harness/image``
    that takes the firmware's place under TCG.
    """

    binary: str
    template: str
    machine: tuple[Option, ...]
    cpu: str
    ram_base: Size = 0
    ram_granule: Size
    numa: bool = True
    append: tuple[str, ...]
    console_tty: str
    firmware_code: tuple[Path, ...] = ()
    firmware_vars: tuple[Path, ...] = ()
    own_firmware: str | None = None


class Mmu(Record):
    """What the booted guest must show; a guest that does not is an infrastructure error.

    ``cpuinfo`` is a line that /proc/cpuinfo must carry, ``linear_page`` the page size of
    the kernel's linear map where the model needs it (ppc64 hash), ``huge_pages`` whether
    the machine has any at all: QEMU's TCG lacks EDAT, and so an s390x guest has none.
    ``dirty_by_fault`` is a CPU that leaves it to a fault to make an entry dirty.
    """

    kind: str
    page_size: Size
    pmd_size: Size
    pud_size: Size
    section_size: Size
    cpuinfo: str | None = None
    linear_page: Size | None = None
    huge_pages: bool = True
    dirty_by_fault: bool = False


class Moved(Record):
    """Where the machine puts every device once one ends above an address."""

    above: Size
    to: Size


class PmemMachine(Record):
    """The machine's nvdimm rules: what QEMU and firmware take, and where devices go.

    ``driver`` is the symbol of the kernel's driver that finds them. ``granule`` is what a
    device's usable size must be a multiple of, ``start`` the lowest address a device is given,
    ``start_granule`` what its address must be a multiple of. With ``low_ram_limit`` bytes of
    RAM or more, some goes above 4 GiB and moves the first address up.
    """

    driver: str
    granule: Size
    start: Size
    start_granule: Size
    low_ram_limit: Size | None = None
    moved: Moved | None = None
    label_default: Size
    label_minimum: Size
    max_devices: int
    address_bits: int
    starts_labelled: bool


class SoftReservedMemory(Record):
    """How a kernel is told to set RAM aside, and which RAM that may be.

    It lies from ``start`` on, in multiples of ``granule``: a machine with ``split`` bytes of
    RAM and more keeps ``low_ram`` of them below, and has the rest there. ``append`` goes to
    the kernel command line for each range, with ``{size}`` and ``{start}`` filled in;
    ``append_idle`` once, where its regions are to have no device at first.
    """

    granule: Size
    start: Size
    split: Size
    low_ram: Size
    append: str
    append_idle: str


class ConsoleMarks(Record):
    """How a console tells that it is one of this architecture: regular expressions, by line.

    ``registers`` is found in what the kernel prints of a CPU in a report, ``boot`` in what it
    says while it boots.
    """

    registers: Pattern
    boot: Pattern


class Target(Record):
    """What a guest is: architecture, MMU, page size, machine and CPU.

    ``variant_of`` names the target that this one is, but for what it is named after; another
    one that ``--arch all`` leaves out says ``in_all: false``. ``suite`` is the Debian that the
    guest's programs come from, where that of ``guest.yaml`` lacks the architecture.
    """

    name: str
    summary: str
    variant_of: str | None = None
    in_all: bool = True
    arch: str
    debian: str
    suite: str | None = None
    kernel: KernelBuild
    packages: Packages
    qemu: Qemu
    mmu: Mmu
    pmem: PmemMachine | None = None
    soft_reserved: SoftReservedMemory | None = None
    console: ConsoleMarks | None = None

    @property
    def programs(self) -> tuple[str, ...]:
        """The programs of the host whose versions what a guest shows depends on."""
        return (*self.kernel.compiler, self.qemu.binary)

    @property
    def is_main(self) -> bool:
        """Whether ``--arch all`` has it."""
        return self.in_all and self.variant_of is None

    def is_one_of(self, names: Iterable[str]) -> bool:
        """Whether the target, or the one that it is a variant of, is among those named."""
        return not {self.name, self.variant_of}.isdisjoint(names)


def load_targets(directory: Path = TARGETS_DIR) -> dict[str, Target]:
    """Every target, by name. Raises UserError for a data file that is none."""
    return {path.stem: load_target(path) for path in sorted(directory.glob("*.yaml"))}


def load_target(path: Path) -> Target:
    """One target's data file; its name is the file's."""
    documents = load_documents(path)
    if len(documents) != 1 or not isinstance(documents[0].data, dict):
        raise UserError("must hold one mapping", path=path, line=1)
    document = documents[0]
    return document.read(Target, {**document.data, "name": path.stem})


def select_targets(words: Iterable[str], targets: Mapping[str, Target]) -> tuple[Target, ...]:
    """Targets named on the command line: names and groups, with commas between or singly.

    The groups are ``all``, the targets that every night has, and ``variants``, the others.
    Raises UserError for a word that is neither.
    """
    groups: dict[str, list[Target]] = {group: [] for group in GROUPS}
    for target in targets.values():
        groups["all" if target.is_main else "variants"].append(target)
    chosen: dict[str, Target] = {}
    for name in (name.strip() for word in words for name in word.split(",")):
        if name in groups:
            chosen |= {target.name: target for target in groups[name]}
        elif name in targets:
            chosen[name] = targets[name]
        elif name:
            hint = nearest(name, [*targets, *GROUPS])
            raise UserError(f"--arch: no such target: {name!r}", hint=hint)
    return tuple(chosen.values())
