"""Runs that lack cells: no format may tell them as whole ones."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from harness.cli import main
from harness.report.combine import combine, merge
from harness.report.formats import FORMATS
from harness.report.material import gather
from harness.report.run import read_run
from harness.report.summary import headline, name_kernels
from tests.report.test_formats import cases, parse_ktap
from tests.report.test_reading import edit


@pytest.fixture
def ended(clean_run: Path, tmp_path: Path) -> Path:
    directory = Path(shutil.copytree(clean_run, tmp_path / "ended"))
    edit(directory, lambda document: document.update(finished=None))
    return directory


def test_what_ended_early_is_whole_in_no_format(ended: Path) -> None:
    material = gather([ended], None, ended)
    wrong = [one for one in cases(FORMATS["junit"](material)).values() if not one.is_passed]
    errors = [one for one in wrong if one.is_error]
    assert [one.name for one in errors] == ["all cells have run"]
    assert "ended before its time" in errors[0].result[0].message
    last = parse_ktap(FORMATS["ktap"](material).splitlines())[-1]
    assert (last.ok, last.name) == (False, "all-cells-have-run")
    assert last.directive.startswith("ERROR the run was ended before its time")
    told = FORMATS["github"](material)
    assert told.startswith("::warning title=partial::the run was ended before its time")


def shard(clean_run: Path, path: Path, index: int, total: int, **facts: Any) -> Path:
    """A part of the example run, as pytest --shard leaves it."""
    shutil.copytree(clean_run, path)

    def cut(document: dict[str, Any]) -> None:
        document.update(shard=f"{index}/{total}", cells=document["cells"][index - 1 :: total])
        document.update(facts)

    edit(path, cut)
    return path


def test_a_shard_that_is_lost_is_missed(
    clean_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second, third = (
        shard(clean_run, tmp_path / str(index), index, 3) for index in (1, 2, 3)
    )
    night = merge([first, third], tmp_path / "night")
    assert night.notes == ("shard 2/3 on debian:6.1 is not there",)
    assert headline(night, ()).startswith("Incomplete: ")
    words = ["report", str(tmp_path / "night"), "--format", "text", "--check"]
    assert main([*words, "--against", str(clean_run)]) == 3
    said = capsys.readouterr().out
    assert "Partial: shard 2/3 on debian:6.1 is not there" in said
    assert "Tested-by" not in said
    assert not read_run(first).document.incomplete
    whole = combine([read_run(tmp_path / "night"), read_run(second)])
    assert whole.notes == ()
    assert not whole.document.incomplete


def test_shards_of_other_kernels_and_configurations_are_others(
    clean_run: Path, tmp_path: Path
) -> None:
    parts = [
        shard(clean_run, tmp_path / "a", 1, 2),
        shard(clean_run, tmp_path / "b", 2, 2, kernel="debian:6.12", config=["debug"]),
    ]
    assert combine([read_run(part) for part in parts]).notes == (
        "shard 2/2 on debian:6.1 is not there",
        "shard 1/2 on debian:6.12 with debug is not there",
    )


def test_cells_that_an_earlier_run_had_are_missed_in_the_text(
    clean_run: Path, tmp_path: Path
) -> None:
    directory = Path(shutil.copytree(clean_run, tmp_path / "run"))
    lost = read_run(directory).cells[0].entry.id
    edit(directory, lambda document: document.update(cells=document["cells"][1:]))
    text = " ".join(FORMATS["text"](gather([directory], clean_run, directory)).split())
    assert f"Not run this time: 1 cell of that run: {lost}." in text


def test_what_a_run_is_held_against_is_told_where_it_is_another(
    clean_run: Path, tmp_path: Path
) -> None:
    """Of cells that it had not nothing is known before, and no failure of them is new."""
    directory = Path(shutil.copytree(clean_run, tmp_path / "earlier"))
    lost = read_run(directory).cells[0].entry.id
    (kernel,) = name_kernels(read_run(clean_run))
    cells = json.loads((directory / "run.json").read_text())["cells"][1:]
    edit(directory, lambda document: document.update(cells=cells, kernel="debian:6.12"))
    edit(directory, lambda document: document.update(finished=None))
    told = (
        f"That run was of {kernel.replace('6.1 ', '6.12 ', 1)}. "
        "That run lacks cells that it was to have. "
        f"Not run that time: 1 cell of this run: {lost}."
    )
    for name in ("text", "html"):
        text = FORMATS[name](gather([clean_run], directory, clean_run))
        assert told in " ".join(text.split())
        same = FORMATS[name](gather([clean_run], clean_run, clean_run))
        assert "That run" not in same


@pytest.mark.parametrize(
    ("change", "code"),
    [({}, 0), ({"verdict": "mismatch", "reason": "regions: regions is 0, expected == 1"}, 1)],
)
def test_a_merge_is_checked_where_that_is_asked(
    clean_run: Path, tmp_path: Path, change: dict[str, str], code: int
) -> None:
    directory = Path(shutil.copytree(clean_run, tmp_path / "run"))
    edit(directory, lambda document: document["cells"][0].update(change))
    words = ["report", "--merge", str(directory), "--check", "-o"]
    assert main([*words, str(tmp_path / "first")]) == code
    assert main([*words, str(tmp_path / "second"), "--against", str(directory)]) == 0


def test_a_run_that_was_killed_before_its_first_cell_had_finished_is_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cell = tmp_path / "gup.yaml--gup-anon[s390x]"
    cell.mkdir()
    (cell / "steps.jsonl").touch()
    assert main(["report", str(tmp_path)]) == 4
    assert capsys.readouterr().err == (
        f"daxhound: {tmp_path}: no cell had finished when this run was ended: there is no "
        f"run.json\n  try: the files of a cell: {cell}\n"
    )
