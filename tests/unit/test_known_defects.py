"""Defects of released kernels: what guests with them must show, and how results tell of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.compare import compare
from harness.contrast import contrast
from harness.errors import UserError
from harness.kernel.assumed import assumed_facts
from harness.kernel.spec import parse_kernel_spec
from harness.model import Machine, Model
from harness.model.rules import RULES
from harness.records import (
    KERNEL_REPORT,
    CellResult,
    Expected,
    KernelFacts,
    Layout,
    Observation,
    PmemDevice,
    Prediction,
    Scalar,
    StepResult,
    Verdict,
    Word,
)
from harness.report.results import cell_to_json, step_from_json, step_to_json
from harness.report.text import render_summary
from harness.scenario.steps import (
    CreateNamespace,
    DestroyNamespaces,
    Fault,
    GupTest,
    HwPoison,
    Mmap,
    PageMetadata,
    Step,
    TakeAway,
    WriteRead,
)
from harness.target import load_targets

TARGETS = load_targets()
KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
FIXED = {
    "dax_pud_fault_size_fits": True,
    "folio_heads_anywhere": True,
    "radix_compounds_from_start": True,
    "sections_begin_compounds": True,
    "namespace_end_trunc_checked": True,
    "arm64_parts_from_ram": True,
    "arm64_vmemmap_kept": True,
}


def facts(target: str, kernel: str) -> KernelFacts:
    return assumed_facts(parse_kernel_spec(f"debian:{kernel}"), TARGETS[target].kernel.fragments)


def machine(target: str, kernel: str, *, fixed: bool = False, size: int = 3 * GIB) -> Machine:
    found = facts(target, kernel)
    device = PmemDevice(size, 4 * GIB, 128 << 10, "uuid")
    return Machine(
        TARGETS[target],
        replace(found, probes=FIXED if fixed else {}),
        Layout(2 * GIB, 2, (device,)),
    )


def predict(guest: Machine, *steps: Step) -> Prediction:
    model = Model(guest)
    return [model.predict(step) for step in steps][-1]


def defects(prediction: Prediction) -> set[str]:
    return {e.rule.id for e in prediction.expected if e.rule.defect}


def values(prediction: Prediction) -> dict[str, Scalar]:
    return {e.name: e.value for e in prediction.expected}


def devdax(align: int, size: int | None = None, map_: str = "mem") -> CreateNamespace:
    return CreateNamespace(mode="devdax", map=map_, align=align, size=size)  # type: ignore[arg-type]


@pytest.mark.parametrize("kernel", ["6.12", "7.2"])
@pytest.mark.parametrize("align", [64 * KIB, 16 * MIB])
def test_the_first_access_in_an_empty_pud_is_sigbus_on_hash(kernel: str, align: int) -> None:
    guest = machine("ppc64-hash", kernel)
    seen = predict(guest, devdax(align), Fault(memory="devdax", size=64 * MIB))
    assert values(seen)["signal"] == "SIGBUS"
    assert values(seen)["touched_bytes"] == 0
    assert values(seen)["page_table_bytes"] == 0
    assert "defect.pud-fault-size" in defects(seen)


@pytest.mark.parametrize(
    ("target", "kernel", "fixed"),
    [
        ("ppc64-hash", "6.1", False),  # has no entries of PUDs
        ("ppc64-hash", "7.2", True),
        ("ppc64-radix", "7.2", False),  # its PUD has 1G
        ("x86_64", "7.2", False),
    ],
)
def test_elsewhere_it_is_a_fault_like_any_other(target: str, kernel: str, fixed: bool) -> None:
    guest = machine(target, kernel, fixed=fixed)
    align = TARGETS[target].mmu.pmd_size
    seen = predict(guest, devdax(align), Fault(memory="devdax", size=64 * MIB))
    assert values(seen)["outcome"] == "touched"
    assert not defects(seen)


def test_a_handler_that_is_not_asked_does_no_harm() -> None:
    guest = machine("ppc64-hash", "7.2")
    beside_others = Fault(memory="devdax", size=64 * MIB, fixed=False)
    base_pages = Fault(memory="devdax", size=64 * MIB, advice="nohuge")
    assert not defects(predict(guest, devdax(16 * MIB), beside_others))
    assert not defects(predict(guest, devdax(64 * KIB), base_pages))
    assert not defects(predict(guest, Fault(memory="anon", size=64 * MIB)))


@pytest.mark.parametrize(
    "step",
    [
        HwPoison(size=64 * MIB),
        HwPoison(size=64 * MIB, via="corrupt-pfn", early=True),
        WriteRead(memory="devdax", size=16 * MIB),
        TakeAway(memory="devdax"),
        GupTest(command="pin", memory="devdax", size=64 * MIB, touch=False),
        Fault(memory="devdax", size=64 * MIB, beside=True),
        Mmap(memory="devdax", size=64 * MIB, beside=True),
    ],
    ids=lambda step: step.kind,
)
def test_what_has_other_memory_beside_it_sees_what_lies_behind_the_defect(step: Step) -> None:
    beside = predict(machine("ppc64-hash", "7.2"), devdax(16 * MIB), step)
    without = predict(machine("ppc64-hash", "7.2", fixed=True), devdax(16 * MIB), step)
    assert values(beside) == values(without)
    assert not defects(beside)


HALF_OFF = (CreateNamespace(mode="raw", size=512 * MIB), devdax(GIB, 2 * GIB))
GUP = GupTest(command="pin-fast", memory="devdax", size=GIB)


def test_radix_warns_where_heads_lie_in_shared_tails() -> None:
    created = predict(machine("ppc64-radix", "7.2"), *HALF_OFF)
    assert values(created) == {KERNEL_REPORT: "warning in memmap_init_compound"}
    assert created.ends_cell
    silent = predict(machine("ppc64-radix", "6.12"), *HALF_OFF)
    assert values(silent)["outcome"] == "created"
    for step in (GUP, PageMetadata(memory="devdax", size=GIB, pages=(0,))):
        held = predict(machine("ppc64-radix", "6.12"), *HALF_OFF, step)
        assert values(held) == {KERNEL_REPORT: "warning in try_grab_folio"}
        assert defects(held) == {"defect.radix-compounds"}


@pytest.mark.parametrize(
    ("target", "kernel", "fixed", "steps"),
    [
        ("ppc64-radix", "6.1", False, HALF_OFF),
        ("ppc64-radix", "7.2", True, HALF_OFF),
        ("ppc64-radix", "7.2", False, (devdax(GIB, 2 * GIB),)),
        ("ppc64-radix", "7.2", False, (HALF_OFF[0], devdax(GIB, 2 * GIB, "dev"))),
        ("x86_64", "7.2", False, HALF_OFF),
    ],
)
def test_nobody_else_does(target: str, kernel: str, fixed: bool, steps: tuple[Step, ...]) -> None:
    assert not predict(machine(target, kernel, fixed=fixed), *steps).ends_cell


WRITE = WriteRead(memory="devdax", size=GIB)


@pytest.mark.parametrize("step", [GUP, Fault(memory="devdax", size=GIB), WRITE])
def test_a_head_that_a_mask_does_not_find_is_warned_of(step: Step) -> None:
    """Half a PUD off, where folios do not start at multiples of their size."""
    mapped = predict(machine("x86_64", "7.2"), *HALF_OFF, step)
    assert values(mapped) == {KERNEL_REPORT: "warning in vmf_insert_folio_pud"}
    assert defects(mapped) == {"defect.folio-head"}
    aligned = (devdax(GIB, 2 * GIB), step)
    on_device = (HALF_OFF[0], devdax(GIB, 2 * GIB, "dev"), step)
    assert not defects(predict(machine("x86_64", "7.2"), *aligned))
    assert not defects(predict(machine("x86_64", "7.2"), *on_device))
    assert not defects(predict(machine("x86_64", "6.12"), *HALF_OFF, step))
    assert not defects(predict(machine("x86_64", "7.2", fixed=True), *HALF_OFF, step))


WITHIN_A_SECTION = (CreateNamespace(mode="raw", size=16 * MIB), devdax(GIB, 2 * GIB))


@pytest.mark.parametrize(("kernel", "grab"), [("6.1", "try_grab_page"), ("6.12", "try_grab_folio")])
def test_heads_within_a_section_are_missed_when_pages_are_held(kernel: str, grab: str) -> None:
    guest = machine("x86_64", kernel)
    assert values(predict(guest, *WITHIN_A_SECTION))["outcome"] == "created"
    for step in (GUP, HwPoison(size=GIB), PageMetadata(memory="devdax", size=GIB), WRITE):
        held = predict(guest, *WITHIN_A_SECTION, step)
        assert values(held) == {KERNEL_REPORT: f"warning in {grab}"}
        assert defects(held) == {"defect.section-compounds"}
    assert not defects(predict(guest, *WITHIN_A_SECTION, Fault(memory="devdax", size=GIB)))


def test_heads_within_a_section_are_missed_at_once_by_newer_kernels() -> None:
    created = predict(machine("x86_64", "7.2"), *WITHIN_A_SECTION)
    assert values(created) == {KERNEL_REPORT: "warning in memmap_init_compound"}
    assert defects(created) == {"defect.section-compounds"}


def test_nobody_tells_what_poison_does_to_a_folio_without_a_head() -> None:
    step = HwPoison(via="corrupt-pfn", size=GIB)
    with pytest.raises(UserError, match="no head"):
        predict(machine("x86_64", "6.1"), *WITHIN_A_SECTION, step)


@pytest.mark.parametrize(
    ("target", "fixed", "steps"),
    [
        ("x86_64", True, WITHIN_A_SECTION),
        ("x86_64", False, HALF_OFF),  # where sections begin
        ("x86_64", False, (WITHIN_A_SECTION[0], devdax(GIB, 2 * GIB, "dev"))),
        ("x86_64", False, (WITHIN_A_SECTION[0], devdax(2 * MIB, 2 * GIB))),
        ("arm64", False, (WITHIN_A_SECTION[0], devdax(2 * MIB, 2 * GIB))),
    ],
)
def test_heads_are_where_they_belong(target: str, fixed: bool, steps: tuple[Step, ...]) -> None:
    guest = machine(target, "6.1", fixed=fixed)
    pinned = GupTest(command="pin-fast", memory="devdax", size=GIB)
    assert not defects(predict(guest, *steps, pinned))


@pytest.mark.parametrize(
    ("step", "outcome"),
    [
        (Fault(memory="devdax", size=GIB, advice="nohuge"), "signalled"),
        (Fault(memory="devdax", size=GIB, access="write", writable=False), "signalled"),
        (Fault(memory="devdax", size=2 * GIB, first=GIB), "signalled"),
        (Fault(memory="devdax", size=2 * GIB), None),
        (GupTest(command="pin", memory="devdax", size=GIB, huge=False), "killed"),
        (GupTest(command="pin", memory="devdax", size=2 * GIB), None),
    ],
)
def test_nothing_is_said_of_an_entry_that_is_not_made(step: Step, outcome: str | None) -> None:
    """What ends before the first entry does so in silence, what ends behind it does not."""
    seen = predict(machine("x86_64", "7.2"), *HALF_OFF, step)
    assert values(seen).get("outcome") == outcome


def empty(map_: str) -> tuple[Step, ...]:
    fsdax = CreateNamespace(mode="fsdax", map=map_, align=GIB, size=GIB)  # type: ignore[arg-type]
    return (HALF_OFF[0], fsdax)


def test_an_empty_fsdax_with_an_altmap_is_not_taken_away() -> None:
    guest = machine("x86_64", "6.1")
    assert values(predict(guest, *empty("dev")))["size_bytes"] == 0
    gone = predict(guest, *empty("dev"), DestroyNamespaces())
    assert values(gone) == {KERNEL_REPORT: "paging-fault in memunmap_pages"}
    assert defects(gone) == {"defect.empty-fsdax"}
    assert not predict(guest, *empty("mem"), DestroyNamespaces()).ends_cell
    newer = machine("x86_64", "6.12")
    assert values(predict(newer, *empty("dev")))["outcome"] == "refused"


@pytest.mark.parametrize(("map_", "goes"), [("dev", False), ("mem", True)])
def test_a_guest_is_tidied_where_that_does_no_harm(map_: str, goes: bool) -> None:
    model = Model(machine("x86_64", "6.1"))
    for step in empty(map_):
        model.predict(step)
    assert model.can_be_tidied is goes


@pytest.mark.parametrize("kernel", ["6.1", "6.12", "7.2"])
def test_arm64_runs_out_of_altmap_for_a_part_of_a_section(kernel: str) -> None:
    part = devdax(2 * MIB, 208 * MIB, "dev")
    seen = predict(machine("arm64", kernel), part)
    assert values(seen) == {KERNEL_REPORT: "vmemmap-leak in memunmap_pages; probe-failure"}
    assert defects(seen) == {"defect.altmap-exhausted"}
    whole = devdax(2 * MIB, 256 * MIB, "dev")
    assert values(predict(machine("arm64", kernel), whole))["outcome"] == "created"
    # As on x86: 80M of the 208M are no whole section.
    fixed = predict(machine("arm64", kernel, fixed=True), part)
    assert not defects(fixed)
    ram = [e for e in fixed.expected if e.name == "ram_bytes"]
    assert {e.rule.id for e in ram} == {"vmemmap.partial-section"}


DEFECT = RULES["defect.pud-fault-size"]
SOUND = Expected("outcome", "touched", RULES["fault.touched"])
BAD = Expected("outcome", "signalled", DEFECT)


def result(expected: Expected, outcome: str) -> CellResult:
    step = compare(Prediction("fault", (expected,)), Observation("fault", {"outcome": outcome}))
    verdict = Verdict.MISMATCH if step.mismatches else Verdict.OK
    return CellResult("f.yaml::s[t]", "s", "t", "k", verdict, "", 1.0, 1.0, steps=(step,))


@pytest.mark.parametrize(
    ("base", "patched", "word"),
    [
        (result(BAD, "signalled"), result(SOUND, "touched"), Word.FIXED),
        (result(SOUND, "touched"), result(BAD, "signalled"), Word.REGRESSED),
        (result(BAD, "signalled"), result(BAD, "signalled"), Word.UNCHANGED),
        (result(SOUND, "signalled"), result(BAD, "signalled"), Word.CHANGED),
        (result(BAD, "signalled"), result(SOUND, "signalled"), Word.REGRESSED),
        # Mended in a way that the probe does not see.
        (result(BAD, "signalled"), result(BAD, "touched"), Word.CHANGED),
    ],
)
def test_a_series_fixes_a_defect_or_brings_it(
    base: CellResult, patched: CellResult, word: Word
) -> None:
    assert contrast(base, patched).word is word


def test_a_defect_is_known_where_it_was_seen_as_predicted() -> None:
    assert result(BAD, "signalled").known_defects == (DEFECT,)
    assert result(BAD, "touched").known_defects == ()
    assert result(SOUND, "touched").known_defects == ()


def test_a_summary_names_the_defect_and_its_cells() -> None:
    cells = [cell_to_json(result(BAD, "signalled")), cell_to_json(result(SOUND, "touched"))]
    summary = " ".join(render_summary(cells).split())
    assert f"known defect, in 1 cell: {DEFECT.id}: {DEFECT.statement} f.yaml::s[t]" in summary
    assert "known defect" not in render_summary(cells[1:])


def test_steps_on_disk_keep_what_was_a_defect() -> None:
    step: StepResult = result(BAD, "signalled").steps[0]
    assert step_from_json(step_to_json(step)).known_defects == (DEFECT,)


@pytest.mark.parametrize("first", [48 * MIB, 64 * MIB, 80 * MIB])
@pytest.mark.parametrize("fixed", [False, True])
def test_arm64_gives_back_a_page_of_vmemmap_that_is_a_neighbours(first: int, fixed: bool) -> None:
    """Only of namespaces that meet within 64M, of which one page of 64K holds struct pages."""
    pair = (devdax(64 * KIB, first, "dev"), devdax(64 * KIB, 48 * MIB, "dev"))
    seen = predict(machine("arm64-64k", "6.1", fixed=fixed), *pair, DestroyNamespaces())
    if first % (64 * MIB) and not fixed:
        assert values(seen) == {KERNEL_REPORT: "vmemmap-leak in memunmap_pages"}
        assert defects(seen) == {"defect.vmemmap-page-shared"}
    else:
        assert not defects(seen)
    assert not defects(predict(machine("arm64-16k", "6.1"), devdax(16 * KIB, first, "dev")))
