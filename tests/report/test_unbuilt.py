"""A series whose kernel does not build: said as such, with the compiler's lines as they are."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from harness.report.formats import FORMATS
from harness.report.html.payload import finding_to_json, index_to_json
from harness.report.material import Material, gather
from harness.report.story import read_story
from harness.report.summary import headline

SAID = (
    "the powerpc kernel does not build:\n"
    "  drivers/dax/device.c:151:41: error: 'x' undeclared\n"
    "    151 | \treturn x;\n"
    "        | \t       ^\n"
    "  log: /cache/kernel.log"
)


@pytest.fixture
def unbuilt(series_run: Path, tmp_path: Path) -> Path:
    """The example's series, whose second patch compiles nowhere on ppc64-hash."""
    directory = Path(shutil.copytree(series_run, tmp_path / "run"))
    document = json.loads((directory / "run.json").read_text())
    for cell in document["cells"]:
        comparison = cell["comparison"]
        if comparison and comparison["word"] == "regressed":
            second = cell["target"] == "ppc64-hash" and comparison["patch"] == 2
            _break(cell) if second else _mend(cell)
    (directory / "run.json").write_text(json.dumps(document))
    return directory


def _break(cell: dict[str, Any]) -> None:
    cell["comparison"]["word"] = "build-broken"
    cell |= {"verdict": "kernel-failure", "phase": "build", "reason": SAID, "report": None}


def _mend(cell: dict[str, Any]) -> None:
    cell["comparison"]["word"] = "unchanged"
    cell |= {"verdict": "ok", "reason": "", "report": None}


def material(directory: Path) -> Material:
    return gather([directory], None, directory)


def test_the_headline_says_that_it_does_not_build(unbuilt: Path) -> None:
    found = material(unbuilt)
    told = headline(found.run, found.findings)
    assert told == (
        'Patch 2/4 "mm/vmemmap: share struct pages on every architecture" '
        "does not build on ppc64-hash"
    )


def test_what_regresses_besides_is_said_first(series_run: Path, unbuilt: Path) -> None:
    found, others = material(unbuilt), material(series_run)
    regressed = [finding for finding in others.findings if finding.patch == 3]
    told = headline(found.run, [*found.findings, *regressed])
    assert told.startswith('Patch 3/4 "')
    assert "regresses" in told.partition("; ")[0]
    assert told.partition("; ")[2].endswith("does not build on ppc64-hash")


def test_the_compilers_lines_stay_lines(unbuilt: Path) -> None:
    found = material(unbuilt)
    texts = {name: FORMATS[name](found) for name in ("text", "junit", "ktap")}
    assert not [name for name, text in texts.items() if "\\x0a" in text]
    error = "drivers/dax/device.c:151:41: error: 'x' undeclared"
    lines = texts["text"].splitlines()
    at = lines.index(f"| {error}")
    assert lines[at - 1] == "  the powerpc kernel does not build:"
    assert lines[at + 1].index("x;") == lines[at + 2].index("^")
    cell = next(cell for cell in found.run.cells if cell.entry.phase == "build")
    assert f"    {error}" in read_story(cell).text.splitlines()


def test_the_page_has_them_as_well(unbuilt: Path) -> None:
    found = material(unbuilt)
    data = index_to_json(found.run, found.findings, [()] * len(found.run.cells), {})
    (reason,) = {cell["reason"] for cell in data["cells"] if cell.get("word") == "build-broken"}
    assert reason == SAID
    assert finding_to_json(found.run, found.findings[0])["what"] == SAID
