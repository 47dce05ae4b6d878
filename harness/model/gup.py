"""What ``gup_test`` must show on each kind of memory.

The ioctl succeeds even where pinning fails: what tells is the size that gup_test prints as
truncated, and the pin counters of /proc/vmstat. Source: mm/gup_test.c, mm/gup.c.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from harness.errors import UserError
from harness.model import complaints
from harness.model.availability import why_no_gup
from harness.model.capacity import check_held
from harness.model.machine import Machine
from harness.model.rules import RULES
from harness.model.state import Devdax, GuestState, Mounted
from harness.records import Expected, Prediction, Relation, Rule
from harness.scenario.steps import GupTest
from harness.units import align_up

_LONGTERM = ("longterm", "longterm-fast")


def predict_gup(state: GuestState, step: GupTest) -> Prediction:
    """A ``gup-test`` step on what the steps before it left."""
    lacking = why_no_gup(state.machine, step)
    if lacking is not None:
        return Prediction(step.kind, (), lacking)
    devdax, files = None, None
    if step.memory in ("devdax", "fsdax"):
        devdax = state.devdax(step)
        files = None if step.device else state.region(step.region).files
    expected = expect_gup(state.machine, step, devdax, files)
    check_held(state, step.memory, step.size, files)
    return Prediction(step.kind, expected)


def expect_gup(
    machine: Machine, step: GupTest, devdax: Devdax | None, files: Mounted | None
) -> tuple[Expected, ...]:
    """Values of a ``gup-test`` step, with the device or file system it maps, if any.

    Raises UserError for memory that gup_test touches in any case.
    """
    if not step.touch and step.memory not in ("devdax", "fsdax"):
        raise UserError(f"gup_test touches {step.memory} memory itself", field="touch", hint="true")
    if step.memory != "fsdax":
        files = None
    if step.memory != "devdax":
        devdax = None
    if step.memory == "devdax":
        early = _devdax_outcome(machine, step, devdax)
    elif step.memory == "fsdax":
        early = _file_outcome(machine, step, files)
    else:
        early = ()
    early = early or complaints.of_holding(machine, devdax)
    if early or step.touch:
        return early or _expect_run(machine, step, files)
    return _expect_untouched(machine, step, devdax, files)


def _devdax_outcome(machine: Machine, step: GupTest, device: Devdax | None) -> tuple[Expected, ...]:
    """How a run on device-dax ends before any page is taken; nothing where it goes on."""
    if device is None or device.size_bytes == 0:
        return (Expected("outcome", "no-device", RULES["gup.no-device"]),)
    if not step.shared:
        return _refused_mmap(RULES["devdax.private"], "MAP_PRIVATE")
    if step.size % device.align:
        why = f"{step.size:#x} is not a multiple of {device.align:#x}"
        return _refused_mmap(RULES["devdax.unaligned"], why)
    if step.touch and not step.huge and device.align > machine.page:
        why = f"entries of {device.align:#x} only, and MADV_NOHUGEPAGE"
        return _killed(RULES["devdax.nohuge"], why)
    if step.touch and (said := complaints.of_touching(machine, device)):
        return said
    if step.touch and step.size > device.size_bytes:
        why = f"{step.size:#x} touched, {device.size_bytes:#x} there"
        return _killed(RULES["devdax.past-end"], why)
    return ()


def _file_outcome(machine: Machine, step: GupTest, files: Mounted | None) -> tuple[Expected, ...]:
    if files is None:
        return (Expected("outcome", "no-device", RULES["gup.no-device"]),)
    if step.touch and step.size > align_up(files.file_bytes, machine.page):
        why = f"{step.size:#x} touched, the file has {files.file_bytes:#x}"
        return _killed(RULES["file.past-end"], why)
    return ()


def _refused_mmap(rule: Rule, why: str) -> tuple[Expected, ...]:
    return (
        Expected("outcome", "mmap-refused", rule, because=why),
        Expected("errno", "EINVAL", rule, because=why),
    )


def _killed(rule: Rule, why: str) -> tuple[Expected, ...]:
    return (
        Expected("outcome", "killed", rule, because=why),
        Expected("signal", "SIGBUS", rule, because=why),
    )


def _expect_run(machine: Machine, step: GupTest, files: Mounted | None) -> tuple[Expected, ...]:
    refusing = _longterm_refusal(machine, step, files)
    rule = refusing or RULES["gup.complete"]
    truncated = None if refusing is None else 0
    return (
        Expected("outcome", "ran", RULES["gup.ioctl-succeeds"]),
        Expected("results", step.repeats, RULES["gup.results"]),
        Expected("truncated_bytes", truncated, rule),
        *_expect_counters(machine, step, files, refusing),
        *_expect_huge_pages(machine, step),
    )


@dataclass(frozen=True, slots=True)
class Reached:
    """What __gup_test_ioctl makes of pages that end too early: pages taken each time, and
    pages that it says it came by."""

    taken: int
    reported: int


def run_gup_loop(*, total: int, per_call: int, there: int) -> Reached:
    """gup_test's loop over ``total`` pages of which the first ``there`` can be had.

    A call that gets some of what it asked for counts as a whole one; the loop ends after
    it, and at an error before it (mm/gup_test.c, __gup_test_ioctl).
    """
    taken = reported = 0
    while reported < total:
        asked = min(per_call, total - reported)
        got = min(asked, there - reported)
        if got <= 0:
            break
        taken, reported = taken + got, reported + asked
        if got != per_call:
            break
    return Reached(taken, reported)


def _expect_untouched(
    machine: Machine, step: GupTest, devdax: Devdax | None, files: Mounted | None
) -> tuple[Expected, ...]:
    """A run on memory that GUP faults in itself, as far as there is any."""
    refusing = _longterm_refusal(machine, step, files)
    there = 0
    if devdax is not None and (step.huge or devdax.align == machine.page):
        there = devdax.size_bytes // machine.page
    elif files is not None and refusing is None:
        there = align_up(files.file_bytes, machine.page) // machine.page
    total = step.size // machine.page
    reached = run_gup_loop(total=total, per_call=step.pages_per_call, there=there)
    rule = refusing or RULES["gup.partial" if there < total else "gup.complete"]
    why = f"{there} of {total} pages there, {step.pages_per_call} a call"
    truncated = None if reached.reported == total else reached.reported * machine.page
    pins = 0 if step.command in ("get", "get-fast") else reached.taken * step.repeats
    counted = RULES["gup.pin-count" if pins else "gup.get-counters"]
    return (
        Expected("outcome", "ran", RULES["gup.ioctl-succeeds"]),
        Expected("results", step.repeats, RULES["gup.results"]),
        Expected("truncated_bytes", truncated, rule, because=why),
        Expected("pinned_pages", pins, counted, because=why),
        Expected("unpinned_pages", pins, counted, because=why),
    )


def _longterm_refusal(machine: Machine, step: GupTest, files: Mounted | None) -> Rule | None:
    """The rule by which not one page is pinned for long, or None where all are."""
    if step.command not in _LONGTERM or step.memory != "fsdax" or files is None:
        return None
    if files.dax:
        return RULES["gup.fsdax-longterm"]
    tracked = step.write and step.shared and machine.longterm_asks_dirty_tracking
    return RULES["gup.file-longterm"] if tracked else None


def _expect_counters(
    machine: Machine, step: GupTest, files: Mounted | None, refusing: Rule | None
) -> Iterator[Expected]:
    if step.command in ("get", "get-fast"):
        rule, pages, why = RULES["gup.get-counters"], 0, f"{step.command} pins nothing"
    elif refusing is not None:
        rule, pages, why = refusing, 0, "refused at the first page"
    else:
        rule = RULES["gup.pin-count"]
        size = _pinned_bytes(machine, step)
        pages = size // machine.page * step.repeats
        why = f"{size:#x} / {machine.page:#x} x {step.repeats}"
    vain = _vain_pins(machine, step, files)
    relation = ">=" if vain else _relation(machine, step) if pages else "=="
    for name in ("pinned_pages", "unpinned_pages"):
        yield Expected(name, pages, rule, relation, why)
        if vain:
            because = f"{why}, and up to {vain} that the fast path takes and gives back"
            yield Expected(name, pages + vain, RULES["gup.vain-pins"], "<=", because)


def _vain_pins(machine: Machine, step: GupTest, files: Mounted | None) -> int:
    """The most pins that the fast path takes before it sees what it must not pin for long."""
    if step.command != "longterm-fast" or not machine.longterm_asks_dirty_tracking:
        return 0
    # A huge devmap entry is left to the slow path before anything is taken.
    device = step.memory == "devdax" and machine.dax_counts_folios
    cached = step.memory == "fsdax" and files is not None and not files.dax
    if not (step.write and step.shared and (device or cached)):
        return 0
    calls = -(-step.size // machine.page // step.pages_per_call)
    return calls * step.repeats * min(step.pages_per_call, machine.pmd // machine.page)


def _pinned_bytes(machine: Machine, step: GupTest) -> int:
    """7.x rounds hugetlb up to whole huge pages; before, gup_test took what it was told."""
    huge = machine.default_huge_page
    if step.memory == "hugetlb" and huge and machine.gup_test_rounds_hugetlb:
        return align_up(step.size, huge)
    return step.size


def _relation(machine: Machine, step: GupTest) -> Relation:
    """Pages in CMA are pinned, let go, moved and pinned again, so counters run ahead."""
    moves = step.command in _LONGTERM and step.memory not in ("devdax", "fsdax")
    return ">=" if moves and machine.kernel.has("CMA") else "=="


def _expect_huge_pages(machine: Machine, step: GupTest) -> tuple[Expected, ...]:
    if step.memory == "hugetlb":
        return (Expected("huge_page_bytes", machine.default_huge_page, RULES["hugetlb.size"]),)
    if step.memory == "thp":
        whole = max(0, step.size // machine.pmd - 1)
        why = f"{step.size:#x} holds {whole} whole {machine.pmd:#x} wherever it starts"
        return (Expected("thp_faults", whole, RULES["thp.faults"], ">=", why),)
    return ()
