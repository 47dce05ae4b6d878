"""run.json and the cells' folders: complete at every moment, one name a cell."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.compare import compare
from harness.errors import InfrastructureError
from harness.records import (
    CellResult,
    CommandRecord,
    Expected,
    KernelReport,
    Observation,
    Prediction,
    Rule,
    Verdict,
)
from harness.report import run_file
from harness.report.results import (
    CellFolder,
    cell_to_json,
    folder_name,
    new_run_directory,
    step_from_json,
)
from harness.report.run import read_run
from harness.report.run_file import RunFile
from harness.report.text import printable, render_failure, render_summary
from harness.whole_file import write_whole

RULE = Rule("ns.size", "what is left is usable", "drivers/nvdimm/pfn_devs.c nd_pfn_init")
STEP = compare(
    Prediction("create-namespace", (Expected("size_bytes", 2130706432, RULE),)),
    Observation(
        "create-namespace",
        {"size_bytes": 2147483648},
        (CommandRecord("ndctl create-namespace", 0, "{}\x1b[2J", "", 0.2),),
    ),
)
REPORT = KernelReport(
    "oops", "BUG: Unable to handle\x1b[31m", "__init_single_page", "fatal", 3, 9, "f00", "a\x07b"
)
RESULT = CellResult(
    id="devdax.yaml::devdax-map-mem[ppc64-hash-16M]",
    scenario="devdax-map-mem",
    target="ppc64-hash",
    kernel="6.1.192",
    verdict=Verdict.MISMATCH,
    reason="size",
    seconds=2.5,
    guest_seconds=2.0,
    steps=(STEP,),
    report=REPORT,
)


def test_run_json_is_whole_after_every_cell(tmp_path: Path) -> None:
    run = RunFile(tmp_path, {"kernel": "debian:6.1", "series": None})
    run.record(cell_to_json(RESULT))
    document = json.loads((tmp_path / "run.json").read_text())
    assert document.pop("started") <= datetime.now(UTC).isoformat()
    assert len(document.pop("cells")) == 1
    assert document == {
        "schema": 1,
        "kernel": "debian:6.1",
        "series": None,
        "finished": None,
    }
    run.record(cell_to_json(RESULT))
    (cell,) = json.loads((tmp_path / "run.json").read_text())["cells"]
    assert cell["verdict"] == "mismatch"
    assert cell["compared"] == 1
    assert cell["rules"] == ["ns.size"]
    assert cell["report"] == REPORT.title
    assert json.loads((tmp_path / "run.json").read_text())["finished"] is None
    run.finish()
    assert json.loads((tmp_path / "run.json").read_text())["finished"] is not None
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


def test_a_full_disk_keeps_what_was_written_and_loses_no_cell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = replace(RESULT, id="other.yaml::other[s390x]")
    run = RunFile(tmp_path, {"kernel": "debian:6.1", "series": None})
    run.record(cell_to_json(RESULT))

    def full(_path: Path, _target: Path) -> Path:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(Path, "replace", full)
        with pytest.raises(InfrastructureError, match="No space left"):
            run.record(cell_to_json(other))
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]
    assert len(json.loads((tmp_path / "run.json").read_text())["cells"]) == 1
    run.finish()
    assert len(json.loads((tmp_path / "run.json").read_text())["cells"]) == 2


def test_steps_are_on_disk_at_once_and_attempts_are_kept(tmp_path: Path) -> None:
    folder = CellFolder(tmp_path, RESULT.id)
    folder.step(STEP)
    (line,) = (folder.path / "steps.jsonl").read_text().splitlines()
    assert json.loads(line)["mismatches"] == ["size_bytes"]
    folder.attempt(2)
    folder.step(STEP)
    assert step_from_json(json.loads(line)) == STEP
    names = sorted(path.name for path in folder.path.iterdir())
    assert names == ["steps-attempt1.jsonl", "steps.jsonl"]


def test_a_second_run_into_the_same_folder_finds_nothing_of_the_first(tmp_path: Path) -> None:
    folder = CellFolder(tmp_path, RESULT.id)
    for number in (1, 2):
        folder.step(STEP)
        for name in ("console.log", "qemu.json", "dmesg.txt"):
            folder.write(name, f"of attempt {number}")
        folder.attempt(number + 1)
    folder.write("console-of-mine.log", "by hand")
    assert len(list(folder.path.iterdir())) == 9
    CellFolder(tmp_path, RESULT.id)
    names = sorted(path.name for path in folder.path.iterdir())
    assert names == ["console-of-mine.log", "steps.jsonl"]
    assert (folder.path / "steps.jsonl").read_bytes() == b""


@given(st.text(max_size=60), st.text(max_size=60))
def test_folder_names_stay_inside_and_apart(first: str, second: str) -> None:
    name = folder_name(first)
    assert "/" not in name
    assert name not in ("", ".", "..")
    if first != second:
        assert name != folder_name(second)


def test_run_directories_never_collide(tmp_path: Path) -> None:
    assert len({new_run_directory(tmp_path) for _ in range(3)}) == 3


def test_a_failure_says_expected_seen_rule_report_and_how_again() -> None:
    text = render_failure(RESULT, folder="out/x", reproduce="pytest it")
    order = ["expected: 2130706432", "observed: 2147483648", "ns.size", "pfn_devs.c"]
    places = [text.index(word) for word in (*order, "kernel report:", "out/x", "pytest it")]
    assert places == sorted(places)


def test_a_failure_and_run_json_name_the_revision_that_was_built() -> None:
    result = replace(RESULT, revision="6.1.192-3")
    text = render_failure(result, folder="out/x", reproduce="pytest it")
    assert "  kernel:     6.1.192, revision 6.1.192-3\n" in text
    assert cell_to_json(result)["revision"] == "6.1.192-3"


def test_nothing_that_a_terminal_obeys_is_passed_on() -> None:
    text = render_failure(RESULT, folder="out", reproduce="again")
    assert "\x1b" not in text
    assert "\x07" not in text
    assert printable("a\rb") == "a\\x0db"


def test_summary_counts() -> None:
    line = render_summary([cell_to_json(RESULT)])
    assert line == "1 cell: 1 mismatch; 1 value compared by 1 rule"


def test_summary_names_rules_that_no_guest_was_held_to() -> None:
    text = render_summary([cell_to_json(RESULT)], ["ns.size", "ns.align", "btt.capacity"])
    assert text.splitlines()[1:] == ["2 rules unproved by this run:", "  btt.capacity, ns.align"]
    assert "unproved" not in render_summary([cell_to_json(RESULT)], ["ns.size"])


def test_summary_only_counts_what_a_small_run_leaves() -> None:
    text = render_summary([cell_to_json(RESULT)], [f"rule.{number}" for number in range(41)])
    assert text.splitlines()[1:] == ["41 of the model's 41 rules were not exercised"]


_FULL = """
import json, os, sys
from pathlib import Path
from harness.report.run_file import RunFile
folder = Path(sys.argv[1])
run = RunFile(folder, {})
ballast = os.open(folder / "ballast", os.O_CREAT | os.O_WRONLY)
try:
    while os.write(ballast, bytes(4096)):
        pass
except OSError:
    pass
cell = {"verdict": "infrastructure", "comparison": None}
run.record(*({**cell, "id": f"cell {number}"} for number in range(50)))
print(len(json.loads((folder / "run.json").read_text())["cells"]))
"""
_SMALL_DISK = ("unshare", "--map-root-user", "--mount", "sh", "-c")
_MOUNT = 'mount -t tmpfs -o size=300k none "$0" && exec "$@"'


@pytest.mark.skipif(
    subprocess.run((*_SMALL_DISK, "true"), capture_output=True, check=False).returncode != 0,
    reason="this host lets nobody mount a small disk",
)
def test_verdicts_are_kept_on_a_disk_that_others_filled(tmp_path: Path) -> None:
    program = (sys.executable, "-c", _FULL, str(tmp_path))
    said = subprocess.run(
        (*_SMALL_DISK, _MOUNT, str(tmp_path), *program), capture_output=True, text=True, check=False
    )
    assert said.stdout == "50\n", said.stderr


def entry(number: int, comparison: str | None = None) -> dict[str, object]:
    where = {"scenario": "gup", "target": "s390x", "kernel": "6.1", "folder": f"gup{number}"}
    compared = {"word": comparison} if comparison else None
    return {"id": f"gup{number}", "verdict": "ok", "comparison": compared, **where}


def test_a_killed_run_keeps_every_cell_that_it_finished(tmp_path: Path) -> None:
    """Nothing is told of the end: the process is gone after any cell."""
    run = RunFile(tmp_path, {"kernel": "debian:6.1", "series": None})
    for number in range(100):
        run.record(entry(number))
        found = read_run(tmp_path)
        assert [cell.entry.id for cell in found.cells] == [f"gup{n}" for n in range(number + 1)]
        assert found.document.finished is None


def test_a_line_cut_short_is_none(tmp_path: Path) -> None:
    run = RunFile(tmp_path, {"kernel": "debian:6.1", "series": None})
    run.record(*(entry(number) for number in range(50)))
    run.record(entry(50))
    run.record(entry(51))
    path = tmp_path / "cells.jsonl"
    path.write_bytes(path.read_bytes()[:-30])
    assert len(read_run(tmp_path).cells) == 51


def test_an_entry_with_its_comparison_stays_in_the_journal_too(tmp_path: Path) -> None:
    run = RunFile(tmp_path, {"kernel": "debian:6.1", "series": None})
    run.record(*(entry(number) for number in range(50)))
    for comparison in (None, "fixed", None):
        run.record(entry(7, comparison))
    assert len(json.loads((tmp_path / "run.json").read_text())["cells"]) == 50
    (cell,) = (cell for cell in read_run(tmp_path).cells if cell.entry.id == "gup7")
    assert cell.entry.comparison is not None
    assert run.cells[7]["comparison"] == {"word": "fixed"}


def test_writing_is_linear_in_the_cells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes of run.json, over all its versions, a cell: the same for ten times the cells."""
    written: list[int] = []

    def counting(path: Path, content: bytes) -> None:
        written.append(len(content))
        write_whole(path, content)

    monkeypatch.setattr(run_file, "write_whole", counting)
    each = []
    for cells in (200, 2000):
        written.clear()
        (tmp_path / str(cells)).mkdir()
        run = RunFile(tmp_path / str(cells), {"kernel": "debian:6.1", "series": None})
        for number in range(cells):
            run.record(entry(number))
        run.finish()
        each.append(sum(written) / cells)
    assert each[1] < 1.5 * each[0]


def test_a_cell_that_is_told_twice_is_written_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guests that run at once tell theirs as they end, and pytest once more as it comes to them."""
    run = RunFile(tmp_path, {})
    run.record(entry(1))
    monkeypatch.setattr(run, "_write", lambda _write: pytest.fail("written again"))
    run.record(entry(1))


def test_a_finished_run_is_one_file(tmp_path: Path) -> None:
    run = RunFile(tmp_path, {"kernel": "debian:6.1", "series": None})
    run.record(*(entry(number) for number in range(40)))
    run.record(entry(40))
    run.finish()
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]
    assert len(json.loads((tmp_path / "run.json").read_text())["cells"]) == 41
