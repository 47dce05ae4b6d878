"""The shared vocabulary: frozen records that every layer reads and none changes.

Sizes are bytes, addresses are guest physical, times are seconds, unless a name says
otherwise. Nothing here does work.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

Scalar: TypeAlias = str | int | bool | None

Relation: TypeAlias = Literal["==", "contains", "matches", ">=", "<="]
"""``matches``: the predicted value is a regular expression for the whole of what is seen."""

KERNEL_REPORT: Final = "kernel_report"
"""The value of any step that a known defect makes the kernel complain in: the names of its
reports in their order, with "; " between them.

It is all that is predicted of that step, and no step comes after it.
"""


class Verdict(StrEnum):
    """What a cell came to."""

    OK = "ok"
    MISMATCH = "mismatch"
    KERNEL_FAILURE = "kernel-failure"
    UNSUPPORTED = "unsupported"
    INFRASTRUCTURE = "infrastructure"

    @property
    def is_expected(self) -> bool:
        """Whether the kernel did what the model said it must."""
        return self in (Verdict.OK, Verdict.UNSUPPORTED)


class Word(StrEnum):
    """What a series did to a cell: the base kernel's result against the patched one's."""

    UNCHANGED = "unchanged"
    REGRESSED = "regressed"
    FIXED = "fixed"
    CHANGED = "changed"
    BUILD_BROKEN = "build-broken"
    INFRASTRUCTURE = "infrastructure"


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing the kernel, ndctl or QEMU does, and where that is written down.

    ``defect`` marks a fault of released kernels that the model knows of: what it predicts
    is what must be seen of such a kernel, and nothing to be content with.
    """

    id: str
    statement: str
    source: str
    defect: bool = False


@dataclass(frozen=True, slots=True)
class Expected:
    """One predicted value of a step, the rule that predicts it, and how it was reached.

    ``because`` is the derivation with the numbers filled in, for ``predict --explain``.
    """

    name: str
    value: Scalar
    rule: Rule
    relation: Relation = "=="
    because: str = ""


@dataclass(frozen=True, slots=True)
class Prediction:
    """What one step must be seen to do.

    ``unsupported`` carries the reason where the target or kernel cannot have what the
    step needs; ``expected`` then says how its absence shows. ``skipped`` does where it is the
    step itself that is to find that out, and so is run.
    """

    step: str
    expected: tuple[Expected, ...]
    unsupported: str | None = None
    skipped: str | None = None

    @property
    def ends_cell(self) -> bool:
        """Whether the kernel must complain meanwhile: nothing behind that can be predicted."""
        return any(expected.name == KERNEL_REPORT for expected in self.expected)


@dataclass(frozen=True, slots=True)
class CommandRecord:
    """One command run in the guest; ``status`` is the exit code, 128+n for signal n."""

    command: str
    status: int
    stdout: str
    stderr: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Observation:
    """What one step was seen to do: named values, and the commands that showed them."""

    step: str
    values: Mapping[str, Scalar]
    commands: tuple[CommandRecord, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", MappingProxyType(dict(self.values)))


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A predicted value that was not seen; ``observed`` is None where nothing was."""

    step: str
    expected: Expected
    observed: Scalar


@dataclass(frozen=True, slots=True)
class KernelReport:
    """One report on a console: its lines are counted from 1, the last one included.

    ``fingerprint`` is the same for the same failure on another run: it is made of the
    kind and of function names, never of addresses or times.
    """

    kind: str
    title: str
    function: str | None
    severity: Literal["fatal", "error", "warning"]
    first_line: int
    last_line: int
    fingerprint: str
    text: str

    @property
    def name(self) -> str:
        """What it is, the same wherever it is met: ``warning in try_grab_folio``.

        Where no function is to blame, the kind, or a title that says more of it.
        """
        if self.function:
            return f"{self.kind} in {self.function}"
        return self.title if self.title.startswith(self.kind) else self.kind


@dataclass(frozen=True, slots=True)
class KernelFacts:
    """What is known of a built kernel without booting it.

    ``config`` maps symbol names without the ``CONFIG_`` prefix to their values
    (``y``, ``m``, a number or a string without quotes); unset symbols are missing.
    ``probes`` holds what was read from the source or compiled out of it, by name. ``lost``
    says what a patched kernel's base has and it has not: it is predicted as if it had.
    """

    version: tuple[int, int, int]
    release: str
    config: Mapping[str, str]
    struct_page_bytes: int
    probes: Mapping[str, Scalar] = field(default_factory=dict)
    lost: tuple[str, ...] = ()

    def has(self, symbol: str) -> bool:
        """Whether a symbol is built in, or a module, all of which a guest loads as it starts."""
        return self.config.get(symbol) in ("y", "m")


@dataclass(frozen=True, slots=True)
class PmemDevice:
    """One nvdimm of a guest: ``size_bytes`` is what the guest can use, label area apart.

    ``node`` is the memory node that it is put on, None where the layout has no nodes.
    """

    size_bytes: int
    start: int
    label_bytes: int
    uuid: str
    node: int | None = None


@dataclass(frozen=True, slots=True)
class SoftReserved:
    """A part of a guest's RAM that its kernel is told to set aside for device-dax."""

    size_bytes: int
    start: int


@dataclass(frozen=True, slots=True)
class Layout:
    """The memory that a guest is started with.

    ``nodes`` are the bytes of RAM on each memory node; empty for a machine without any.
    ``region_idle`` leaves the regions of ``soft_reserved`` memory without a device in them.
    """

    ram_bytes: int
    cpus: int
    pmem: tuple[PmemDevice, ...] = ()
    nodes: tuple[int, ...] = ()
    soft_reserved: tuple[SoftReserved, ...] = ()
    region_idle: bool = False


@dataclass(frozen=True, slots=True)
class StepResult:
    """A step that was run, held against its prediction.

    ``intended`` are the mismatches that the author of a series announced.
    """

    step: str
    observation: Observation
    prediction: Prediction
    mismatches: tuple[Mismatch, ...]
    intended: tuple[Mismatch, ...] = ()

    @property
    def compared(self) -> int:
        return len(self.prediction.expected)

    @property
    def known_defects(self) -> tuple[Rule, ...]:
        """Defects that the model knows of and that the step showed as predicted."""
        missed = {mismatch.expected.name for mismatch in (*self.mismatches, *self.intended)}
        shown = (e.rule for e in self.prediction.expected if e.name not in missed)
        return tuple(dict.fromkeys(rule for rule in shown if rule.defect))


@dataclass(frozen=True, slots=True)
class PatchLabel:
    """How far into a series a kernel is: ``position`` 0 is the base, 1 the first patch.

    ``subject`` is that of the last patch applied.
    """

    position: int
    subject: str

    @property
    def suffix(self) -> str:
        """What tells this kernel's cells from others of the same name."""
        return f"@{self.position:02}" if self.position else "@base"


@dataclass(frozen=True, slots=True)
class Difference:
    """One value that two kernels show differently; ``step`` is ``<number>. <kind>``."""

    step: str
    name: str
    base: Scalar
    patched: Scalar


@dataclass(frozen=True, slots=True)
class TimeRatio:
    """A time of the patched kernel over the base's: median of pairs, and its interval.

    The interval covers the median in at least 95 of 100 trials, whatever the times'
    distribution; ``claimed`` is whether it leaves no room for "no change".
    """

    step: str
    name: str
    median: float
    low: float
    high: float
    pairs: int
    claimed: bool


Direction: TypeAlias = Literal["lower", "higher"]


@dataclass(frozen=True, slots=True)
class Intention:
    """A value that a series is meant to change, from patch ``position`` on.

    ``scenario`` is a glob; ``targets`` None means all. ``becomes`` is a direction, held
    against the base, or the value itself. ``where`` is the file and line that says so.
    """

    position: int
    scenario: str
    targets: tuple[str, ...] | None
    step: str
    value: str
    becomes: Direction | Scalar
    because: str
    where: str

    @property
    def needs_timings(self) -> bool:
        """Whether only times of several pairs of guests tell if it came."""
        return self.value.endswith("_us") and self.becomes in ("lower", "higher")


@dataclass(frozen=True, slots=True)
class Fulfilment:
    """An intention held against two kernels; ``seen`` says in words what they showed."""

    intention: Intention
    met: bool
    seen: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """A cell on the patched kernel, held against the same cell on ``base``.

    ``differences`` are what a rule predicts exactly and the two kernels show differently,
    which is no fault where each does what the model expects of it. ``intended`` are the
    changes that the series' author announced for this cell. ``lost`` is what the patched
    kernel's source or configuration no longer has. ``defects_new`` and ``defects_gone`` are
    known defects, in words, that one of the two kernels showed and the other did not.
    """

    word: Word
    base: PatchLabel
    base_verdict: Verdict
    base_reason: str
    differences: tuple[Difference, ...] = ()
    times: tuple[TimeRatio, ...] = ()
    intended: tuple[Fulfilment, ...] = ()
    lost: tuple[str, ...] = ()
    defects_new: tuple[str, ...] = ()
    defects_gone: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CellResult:
    """All that is kept of one cell; everything reported later is made from this.

    ``config`` are fragments beyond the target's own. ``phase`` is how far it came: ``build``,
    ``configuration`` (of a cell without a guest), ``boot``, ``guest``, a step's kind, or
    ``after the last step``. ``cells_before`` ran in the same guest; ``note`` is what else a
    reader should know. ``patch`` and ``comparison`` are there in runs of a series, ``lost``
    is as in KernelFacts. ``revision`` is what of a source that moves on the kernel was built of:
    Debian's version of the package, or a commit. ``shown_in`` is the run whose files these are,
    where a repeat of the cell's stands for it.
    """

    id: str
    scenario: str
    target: str
    kernel: str
    verdict: Verdict
    reason: str
    seconds: float
    guest_seconds: float
    steps: tuple[StepResult, ...] = ()
    report: KernelReport | None = None
    retried: bool = False
    phase: str = ""
    cells_before: tuple[str, ...] = ()
    note: str = ""
    config: tuple[str, ...] = ()
    patch: PatchLabel | None = None
    comparison: Comparison | None = None
    lost: tuple[str, ...] = ()
    revision: str = ""
    shown_in: str = ""

    @property
    def run_id(self) -> str:
        """The id of the run whose files these are."""
        return self.shown_in or self.id

    @property
    def built(self) -> bool:
        """Whether its kernel is known to build, whatever became of it then."""
        return self.phase not in ("build", "worker")

    @property
    def is_expected(self) -> bool:
        return self.verdict.is_expected

    @property
    def compared(self) -> int:
        return sum(step.compared for step in self.steps)

    @property
    def known_defects(self) -> tuple[Rule, ...]:
        """Defects of the kernel that the model knows of and that the cell showed."""
        return tuple(dict.fromkeys(rule for step in self.steps for rule in step.known_defects))

    @property
    def rules(self) -> tuple[str, ...]:
        found = {e.rule.id for step in self.steps for e in step.prediction.expected}
        return tuple(sorted(found))
