"""What a series does to cells that are as predicted with it: no format may pass it over."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome

from harness.cli import main
from harness.contrast import contrast
from harness.records import (
    CellResult,
    Expected,
    Intention,
    Observation,
    Prediction,
    Rule,
    StepResult,
    Verdict,
)
from harness.report.formats import FORMATS
from harness.report.material import Material, gather
from harness.report.results import cell_to_json
from harness.report.series_text import render_comparison
from harness.report.summary import headline
from tests.report.example import label_of
from tests.report.test_formats import cases, parse_ktap
from tests.report.test_reading import edit

OLD = Rule("defect.old", "An old one stays.", "mm/gup.c", defect=True)
NEW = Rule("defect.new", "The kernel gives SIGBUS.", "mm/gup.c", defect=True)
SIZE = Intention(1, "*", None, "probe", "size", "lower", "smaller", "v7.expect.yaml:2")


def cell(*rules: Rule, verdict: Verdict = Verdict.OK, reason: str = "") -> CellResult:
    """A cell that showed known defects, as predicted."""
    expected = tuple(Expected(rule.id, 1, rule) for rule in rules)
    seen = Observation("probe", {"size": 4096, **dict.fromkeys((rule.id for rule in rules), 1)})
    steps = (StepResult("probe", seen, Prediction("probe", expected), ()),)
    return CellResult("gup.yaml::c[arm64]", "c", "arm64", "6.1.192", verdict, reason, 1, 1, steps)


REGRESSED = cell(OLD), cell(OLD, NEW), "The kernel gives SIGBUS."
MENDED = cell(OLD, NEW), cell(OLD), "The kernel gives SIGBUS.; now ok"
NOT_DONE = cell(OLD), cell(OLD), "probe: size does not become lower, as was intended"
CAME = cell(verdict=Verdict.UNSUPPORTED, reason="no pmem"), cell(), "no pmem; now ok"
WENT = cell(), cell(verdict=Verdict.UNSUPPORTED, reason="no pmem"), "ok; now unsupported"


@pytest.fixture
def of_series(clean_run: Path, tmp_path: Path) -> Any:
    """Makes a run of one cell on a base and with a patch."""

    def make(base: CellResult, patched: CellResult, intended: bool = False) -> Material:
        before = replace(base, id=f"{base.id}@base", patch=label_of(0))
        after = replace(patched, id=f"{patched.id}@01", patch=label_of(1))
        intentions = (SIZE,) if intended else ()
        comparison = contrast(before, after, intentions=intentions)
        found = [cell_to_json(one) for one in (before, replace(after, comparison=comparison))]
        directory = Path(shutil.copytree(clean_run, tmp_path / "run"))
        series = {"name": "s", "patches": [{"position": 1, "subject": "mm: do it"}]}
        edit(directory, lambda document: document.update(cells=found, series=series))
        for one in found:
            (directory / one["folder"]).mkdir()
        return gather([directory], None, directory)

    return make


@pytest.mark.parametrize(
    ("base", "patched", "what"),
    [REGRESSED, MENDED, NOT_DONE, CAME, WENT],
    ids=["defect-new", "defect-gone", "not-done", "came", "went"],
)
def test_a_finding_says_what_became_other(
    of_series: Any, base: CellResult, patched: CellResult, what: str
) -> None:
    material = of_series(base, patched, intended=what == NOT_DONE[2])
    word = "fixed" if what == MENDED[2] else "changed" if "now" in what else "regressed"
    found = [one.what for one in material.findings if one.word == word]
    assert found == [what]
    assert what in " ".join(FORMATS["text"](material).split())


@pytest.mark.parametrize(("base", "patched", "what"), [REGRESSED, NOT_DONE, CAME, WENT])
def test_what_pytest_fails_passes_nowhere(
    of_series: Any, base: CellResult, patched: CellResult, what: str
) -> None:
    material = of_series(base, patched, intended=what == NOT_DONE[2])
    assert "Tested-by" not in FORMATS["text"](material)
    (case,) = [one for name, one in cases(FORMATS["junit"](material)).items() if "@01" in name]
    assert case.is_failure
    assert what in case.result[0].message
    tests = json.loads(FORMATS["kcidb"](material))["tests"]
    assert [test["status"] == "FAIL" for test in tests] == [False, True]
    nodes = parse_ktap(FORMATS["ktap"](material).splitlines())
    assert [node.ok for node in nodes[0].subtests] == [True, False]
    assert not nodes[0].ok


def test_what_a_series_mends_may_be_tested_by(of_series: Any) -> None:
    material = of_series(*MENDED[:2])
    assert FORMATS["text"](material).endswith("Tested-by: NAME <ADDRESS> # arm64\n")
    found = cases(FORMATS["junit"](material)).values()
    assert all(one.is_passed for one in found)


@pytest.mark.parametrize("pair", [CAME[:2], WENT[:2]])
def test_a_cell_with_another_outcome_is_no_failing_one(
    of_series: Any, pair: tuple[CellResult, CellResult]
) -> None:
    material = of_series(*pair)
    assert headline(material.run, material.findings) == (
        "1 cell with another outcome than without the series on arm64"
    )


def test_a_terminal_is_told_which_defect_came_and_which_went() -> None:
    told = render_comparison(contrast(cell(OLD), cell(NEW)), label_of(1))
    assert "  a known defect, new: The kernel gives SIGBUS." in told
    assert "  a known defect, gone: An old one stays." in told


def test_results_of_an_earlier_daxhound_name_the_defect_that_they_know(of_series: Any) -> None:
    directory = of_series(*REGRESSED[:2]).run.directory

    def forget(document: dict[str, Any]) -> None:
        for name in ("defects_new", "defects_gone"):
            del document["cells"][1]["comparison"][name]

    edit(directory, forget)
    assert json.loads((directory / "run.json").read_text())["cells"][1]["comparison"]
    found = [one.what for one in gather([directory], None, directory).findings]
    assert "An old one stays." in found


def test_a_target_on_which_nothing_could_run_is_not_tested(clean_run: Path, tmp_path: Path) -> None:
    directory = Path(shutil.copytree(clean_run, tmp_path / "run"))

    def lack(document: dict[str, Any]) -> None:
        for one in document["cells"]:
            if one["target"] in ("s390x", "arm64"):
                one["verdict"] = "unsupported"

    edit(directory, lack)
    text = FORMATS["text"](gather([directory], None, directory))
    assert text.endswith("Tested-by: NAME <ADDRESS> # ppc64-hash, ppc64-radix, x86_64\n")
    edit(
        directory, lambda document: [one.update(verdict="unsupported") for one in document["cells"]]
    )
    assert "Tested-by" not in FORMATS["text"](gather([directory], None, directory))


@pytest.mark.parametrize(
    ("pair", "intended", "glyph"),
    [(REGRESSED, False, "▼"), (NOT_DONE, True, "▼"), (CAME, False, "◆"), (WENT, False, "◆")],
)
def test_the_page_marks_it_as_no_ok_is_marked(
    of_series: Any,
    browser: Chrome,
    pair: tuple[CellResult, CellResult, str],
    intended: bool,
    glyph: str,
) -> None:
    directory = of_series(*pair[:2], intended).run.directory
    assert main(["report", str(directory)]) == 0
    browser.get((directory / "report.html").as_uri())
    shown = browser.execute_script(
        "return [...document.querySelectorAll('.matrix .mark .glyph')]"
        ".map((one) => getComputedStyle(one, '::before').content)"
    )
    assert shown[1] == f'"{glyph}"'
    assert shown[0] != shown[1]
