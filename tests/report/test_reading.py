"""Results folders as they come: whole, killed, cut short, from elsewhere, hostile."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from harness.cli import main
from harness.errors import UserError
from harness.report.check import INCOMPLETE, NOTHING_NEW, SOMETHING_NEW, judge
from harness.report.combine import combine, merge
from harness.report.difference import compare_runs
from harness.report.findings import find
from harness.report.github import render_github
from harness.report.junit import render_junit
from harness.report.kcidb import render_kcidb
from harness.report.ktap import render_ktap
from harness.report.mail import render_mail
from harness.report.material import gather
from harness.report.results import folder_name
from harness.report.run import read_run, read_steps
from harness.report.story import read_story
from harness.report.summary import headline
from tests.report.example import write_run


def edit(directory: Path, change: Any) -> None:
    """Change run.json: ``change`` gets the document."""
    path = directory / "run.json"
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


@pytest.fixture
def run(clean_run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(clean_run, tmp_path / "run"))


def test_a_run_is_read_back_as_it_was_written(series_run: Path) -> None:
    run = read_run(series_run)
    assert run.notes == ()
    cell = next(
        c for c in run.cells if c.entry.id == "devdax.yaml::devdax-map-dev[ppc64-hash-16M]@03"
    )
    assert (cell.file, cell.parameters, cell.patch) == ("devdax.yaml", "16M", 3)
    assert cell.stem == "devdax.yaml::devdax-map-dev[ppc64-hash-16M]"
    story = read_story(cell)
    assert story.problem is None
    assert [step.step for step in story.steps] == ["regions", "create-namespace"]
    (mismatch,) = story.steps[-1].mismatches
    assert mismatch.expected.name == "size_bytes"
    assert mismatch.expected.rule.statement
    assert mismatch.expected.rule.source
    assert [phase.name for phase in story.phases][:5] == [
        "provide kernel and image",
        "firmware",
        "kernel",
        "init",
        "shell",
    ]
    assert sum(phase.seconds for phase in story.phases) == pytest.approx(cell.entry.seconds)


def test_the_report_is_cut_out_of_the_console(series_run: Path) -> None:
    cells = read_run(series_run).cells
    story = read_story(next(c for c in cells if c.entry.verdict == "kernel-failure"))
    assert "BUG: Unable to handle kernel data access on write" in story.report_lines[0]
    assert any("Call Trace:" in line for line in story.report_lines)
    assert "| BUG: Unable to handle" in story.text.replace("[    1.371249] ", "")


def test_a_killed_run_is_partial_and_says_so(tmp_path: Path) -> None:
    directory = write_run(tmp_path / "run", ["gup.yaml"], (None,), finish=False)
    begun = directory / "gup.yaml_begun"
    begun.mkdir()
    (begun / "steps.jsonl").write_text("")
    notes = read_run(directory).notes
    assert notes[0].startswith("the run was ended before its time")
    assert notes[1] == "1 cell begun, not finished: gup.yaml_begun"
    finished = len(read_run(directory).cells)
    assert headline(read_run(directory), ()) == (
        f"Ended early: {finished} cells finished; nothing failed in them"
    )
    edit(directory, lambda document: document.update(chosen=finished + 4))
    assert headline(read_run(directory), ()) == (
        f"Ended early: {finished} of {finished + 4} cells finished; nothing failed in them"
    )
    assert read_run(directory).notes[2:] == ("3 cells never begun",)


@pytest.mark.parametrize(
    ("verdicts", "said"),
    [
        ([], "Ended early: none of 5 cells finished"),
        (["ok"], "Ended early: 1 of 5 cells finished; nothing failed in it"),
        (
            ["ok", "infrastructure"],
            "Ended early: 2 of 5 cells finished; nothing failed, but 1 cell could not be run: "
            "the host failed",
        ),
    ],
)
def test_a_run_that_ended_early_says_how_far_it_came(
    verdicts: list[str], said: str, run: Path
) -> None:
    def change(document: dict[str, Any]) -> None:
        document.update(finished=None, chosen=5, cells=document["cells"][: len(verdicts)])
        for cell, verdict in zip(document["cells"], verdicts, strict=True):
            cell.update(verdict=verdict, known_defects=[])

    edit(run, change)
    assert headline(read_run(run), ()) == said


@pytest.mark.parametrize("cell", ["gup.yaml::{}[s390x]@base", "gup.yaml::{}[no file name/]@01"])
def test_further_runs_of_a_cell_are_no_cells_of_their_own(cell: str, tmp_path: Path) -> None:
    directory = write_run(tmp_path / "run", ["gup.yaml"], (None,), finish=False)
    for name in (cell.format("one"), cell.format("x" * 200), cell.format("one") + "~2"):
        steps = directory / folder_name(name) / "steps.jsonl"
        steps.parent.mkdir()
        steps.touch()
    note = read_run(directory).notes[1]
    assert note.startswith("2 cells begun, not finished: ")
    assert "~2" not in note


def test_what_was_not_copied_is_said(run: Path) -> None:
    folder = read_run(run).cells[0].entry.folder
    shutil.rmtree(run / folder)
    loaded = read_run(run)
    assert loaded.notes[0].startswith("1 cell without a folder")
    assert (
        read_story(loaded.cells[0]).problem
        == "steps.jsonl cannot be read: No such file or directory"
    )


def test_a_torn_step_ends_the_steps(run: Path) -> None:
    cell = read_run(run).cells[0]
    path = cell.directory / "steps.jsonl"
    path.write_bytes(path.read_bytes()[:-40])
    steps, problem = read_steps(cell)
    lines = path.read_bytes().count(b"\n") + 1
    assert len(steps) == lines - 1
    assert problem == f"steps.jsonl cannot be read from line {lines} on"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, ["no results folder", "run.json", "--results"]),
        ('{"schema": 1, "kernel": "d', ["run.json:1: cut short: the end of it is missing\n"]),
        ('{"schema": 1,', ["run.json:1: cut short: the end of it is missing\n"]),
        ('{"schema": 1,\n"a": b}', ["run.json:2: not JSON: Expecting value, at column 6\n"]),
        ("[]", ["run.json: no results of daxhound: it names no schema\n"]),
        ('{"schema": 7, "cells": []}', ["schema 7 is not known", "reads schema 1"]),
        ('{"cells": []}', ["run.json: no results of daxhound: it names no schema\n"]),
        ('{"schema": 1, "kernel": "k"}', ["cells: must be given"]),
        ('{"schema": 1, "kernel": "k", "cells": [{}]}', ["cells.0.id"]),
        ("\x00\xff", ["run.json", "not JSON"]),
    ],
)
def test_bad_folders_are_user_errors(
    text: str | None, words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if text is not None:
        (tmp_path / "run.json").write_text(text)
    assert main(["report", str(tmp_path), "--format", "text"]) == 4
    said = capsys.readouterr()
    assert said.out == ""
    assert all(word in said.err for word in words), said.err
    assert "Traceback" not in said.err


@pytest.mark.parametrize("folder", ["../../etc", "..", "", "a/b"])
def test_a_cell_cannot_point_outside_its_run(run: Path, folder: str) -> None:
    edit(run, lambda document: document["cells"][0].update(folder=folder))
    with pytest.raises(UserError, match=r"cells\.0\.folder"):
        read_run(run)


def test_findings_name_the_patch_that_brought_them(series_run: Path) -> None:
    run = read_run(series_run)
    findings = find(run.cells)
    told = [(f.word, f.patch, f.what, f.targets, len(f.places)) for f in findings]
    crash, size = told
    assert crash == (
        "regressed", 2, "kernel data access on write in __init_single_page", ("ppc64-hash",), 1,
    )  # fmt: skip
    assert size[:3] == ("regressed", 3, "create-namespace: size_bytes")
    assert set(size[3]) == {"arm64", "ppc64-hash", "ppc64-radix", "x86_64"}
    assert headline(run, findings).startswith("Patches 2 and 3 of 4 regress 9 cells on ")


def test_a_failure_beside_a_base_that_the_host_spoilt_is_one(run: Path) -> None:
    def spoil(document: Any) -> None:
        base = {"patch": 0, "verdict": "infrastructure", "reason": "no QEMU"}
        document["cells"][0].update(
            verdict="kernel-failure",
            reason="oops in f",
            comparison={"word": "infrastructure", "base": base, "patch": 1, "patch_subject": "x"},
        )

    edit(run, spoil)
    (finding,) = find(read_run(run).cells)
    assert (finding.word, finding.what) == ("failing", "oops in f")
    assert headline(read_run(run), [finding]).startswith("1 cell fails on ")
    assert judge(gather([run], None, run)) == SOMETHING_NEW


def test_a_run_without_all_that_was_chosen_is_no_whole_one(run: Path) -> None:
    edit(run, lambda document: document.update(chosen=len(document["cells"])))
    assert judge(gather([run], None, run)) == NOTHING_NEW
    edit(run, lambda document: document["cells"].pop())
    assert judge(gather([run], None, run)) == INCOMPLETE


def test_two_hangs_alike_still_fail(run: Path, clean_run: Path, tmp_path: Path) -> None:
    """What a guest was asked, and what its console said last, is never the same."""
    earlier = Path(shutil.copytree(clean_run, tmp_path / "earlier"))
    for directory, seconds in ((run, "63.0"), (earlier, "61.4")):
        reason = f"boot stopped in state kernel, for {seconds} s; last words: {seconds}\n{seconds}"
        hang = {"verdict": "kernel-failure", "reason": reason, "phase": "boot"}
        edit(directory, lambda document, hang=hang: document["cells"][0].update(hang))
    words = compare_runs(read_run(run), read_run(earlier)).words
    assert list(words.values()) == ["still failing"]


def test_shards_are_merged(series_run: Path, tmp_path: Path) -> None:
    shards = [tmp_path / "a", tmp_path / "b"]
    for number, shard in enumerate(shards):
        shutil.copytree(series_run, shard)
        edit(shard, lambda d, n=number: d.update(cells=d["cells"][n::2]))
    merged = merge(shards, tmp_path / "all")
    whole = read_run(series_run)
    assert {cell.key for cell in merged.cells} == {cell.key for cell in whole.cells}
    assert merged.notes == ()
    assert [(f.patch, f.what) for f in find(merged.cells)] == [
        (f.patch, f.what) for f in find(whole.cells)
    ]
    first = merged.cells[0]
    assert (first.directory / "console.log").stat().st_size > 1000
    assert first.directory.parent == tmp_path / "all"


def test_contradictions_are_refused_by_name(run: Path, clean_run: Path, tmp_path: Path) -> None:
    edit(run, lambda d: d["cells"][0].update(verdict="mismatch", reason="regions: regions is 0"))
    name = read_run(run).cells[0].entry.id
    with pytest.raises(UserError) as caught:
        merge([run, clean_run], tmp_path / "all")
    said = str(caught.value)
    assert all(word in said for word in (name, "regions is 0", str(run), str(clean_run)))
    assert not (tmp_path / "all").exists()


def test_infrastructure_gives_way_to_a_verdict(run: Path, clean_run: Path) -> None:
    edit(run, lambda d: d["cells"][0].update(verdict="infrastructure", reason="ssh"))
    for order in ([run, clean_run], [clean_run, run]):
        combined = combine([read_run(directory) for directory in order])
        assert len(combined.cells) == len(read_run(run).cells)
        assert not any(cell.entry.verdict == "infrastructure" for cell in combined.cells)


def test_two_kernels_stand_side_by_side(run: Path, clean_run: Path, tmp_path: Path) -> None:
    def other_kernel(document: Any) -> None:
        document["kernel"] = "debian:6.12"
        document["cells"][0].update(verdict="mismatch", reason="regions: regions is 0")

    edit(run, other_kernel)
    merged = merge([clean_run, run], tmp_path / "all")
    assert merged.kernels == ("debian:6.1", "debian:6.12")
    assert len({cell.directory for cell in merged.cells}) == len(merged.cells)
    assert len(merged.cells) == 2 * len(read_run(run).cells)


def test_other_series_do_not_mix(series_run: Path, clean_run: Path) -> None:
    with pytest.raises(UserError, match="different series"):
        combine([read_run(series_run), read_run(clean_run)])


def test_merge_keeps_what_is_there(clean_run: Path, tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("x")
    with pytest.raises(UserError, match="is not empty"):
        merge([clean_run], tmp_path)
    for output in (tmp_path / "precious", tmp_path / "precious/all"):
        with pytest.raises(UserError, match=r"cannot be made: .*\n  try: a folder that does not"):
            merge([clean_run], output)
    assert (tmp_path / "precious").read_text() == "x"


def test_against_an_earlier_run(run: Path, clean_run: Path, tmp_path: Path) -> None:
    later = Path(shutil.copytree(clean_run, tmp_path / "later"))
    bad = {"verdict": "mismatch", "reason": "regions: regions is 0, expected == 1"}
    other = {"verdict": "mismatch", "reason": "regions: region0.start is 0, expected == 1"}
    edit(run, lambda d: [d["cells"][i].update(bad) for i in (0, 1, 2)] and None)
    edit(
        later,
        lambda d: (
            [d["cells"][i].update(w) for i, w in ((1, bad), (2, other), (3, bad))]
            and d["cells"].pop()
        ),
    )
    now, before = read_run(later), read_run(run)
    difference = compare_runs(now, before)
    names = [cell.entry.id for cell in now.cells]
    assert {name: word for (name, _), word in difference.words.items()} == {
        names[0]: "fixed",
        names[1]: "still failing",
        names[2]: "fails otherwise",
        names[3]: "new failure",
    }
    assert difference.not_run == (before.cells[-1].entry.id,)
    words = [finding.word for finding in find(now.cells, difference.words)]
    assert words == ["new failure", "fails otherwise", "still failing", "fixed"]


def test_kernels_of_a_night_are_told_apart(clean_run: Path, tmp_path: Path) -> None:
    """A cell that fails on one kernel, as it did before, is no news on the other either."""
    nights = []
    for night in ("before", "after"):
        shards = []
        for kernel in ("debian:6.1", "debian:6.12"):
            shard = Path(shutil.copytree(clean_run, tmp_path / night / kernel[7:]))
            bad = {"verdict": "mismatch", "reason": "regions: regions is 0, expected == 1"}
            edit(shard, lambda d, kernel=kernel: d.update(kernel=kernel))
            if kernel == "debian:6.1":
                edit(shard, lambda d, bad=bad: d["cells"][0].update(bad))
            shards.append(shard)
        nights.append(merge(shards, tmp_path / f"{night}-night"))
    difference = compare_runs(nights[1], nights[0])
    assert list(difference.words.values()) == ["still failing"]
    assert difference.not_run == ()


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({}, 0),
        ({"verdict": "mismatch", "reason": "regions: regions is 0, expected == 1"}, 1),
        ({"verdict": "infrastructure", "reason": "boot: no space left"}, 3),
    ],
)
def test_check_tells_by_its_exit_code(
    clean_run: Path, run: Path, tmp_path: Path, change: dict[str, str], code: int
) -> None:
    edit(run, lambda d: d["cells"][0].update(change))
    words = ["report", "-o", str(tmp_path / "text"), "--format", "text", str(run)]
    assert main([*words, "--check"]) == code
    assert main([*words, "--check", "--against", str(clean_run)]) == code
    assert main(words) == 0
    known = 3 if code == 3 else 0
    assert main([*words, "--check", "--against", str(run)]) == known


def test_check_of_a_run_that_was_ended_is_no_success(run: Path, tmp_path: Path) -> None:
    edit(run, lambda d: d.update(finished=None))
    words = ["report", "-o", str(tmp_path / "text"), "--format", "text", str(run)]
    assert main([*words, "--check"]) == 3


def test_no_regression_of_clean_runs(clean_run: Path) -> None:
    run = read_run(clean_run)
    assert find(run.cells) == ()
    assert headline(run, ()).startswith("Nothing failed: all that was predicted")


def test_of_a_used_guest_the_attempt_counts_that_failed(run: Path) -> None:
    """A new guest, tried after it, did not show the report: its files are the second ones."""
    cell = read_run(run).cells[0]
    for name in ("console", "steps", "qemu"):
        (path,) = cell.directory.glob(f"{name}.*")
        path.rename(path.with_stem(f"{name}-attempt1"))
    (cell.directory / "console.log").write_text("a new guest's\n")
    place = {"first_line": 1, "last_line": 2}
    changes = {"cells_before": 2, "report": "x", "report_details": place}
    edit(run, lambda d: d["cells"][0].update(verdict="kernel-failure", **changes))
    story = read_story(read_run(run).cells[0])
    assert story.problem is None
    assert len(story.report_lines) == 2
    assert "a new guest" not in story.report_lines[0]
    assert story.emulation is not None


def test_a_known_defect_is_told_of_in_every_form(run: Path) -> None:
    """A cell that is as expected, and a kernel that is not as it should be."""
    defect = {"rule": "defect.x", "statement": "The kernel gives SIGBUS."}

    def know(document: Any) -> None:
        document["cells"][0]["known_defects"] = [defect]

    edit(run, know)
    material = gather([run], None, run)
    (finding,) = [one for one in material.findings if one.word == "known defect"]
    assert finding.what == "The kernel gives SIGBUS."
    assert "known defect" in headline(material.run, [])
    for render in (render_mail, render_junit, render_ktap, render_kcidb, render_github):
        assert "The kernel gives SIGBUS." in render(material).replace("\n  ", " ")


def test_a_known_defect_that_is_gone_since_an_earlier_run_is_fixed(
    run: Path, clean_run: Path, tmp_path: Path
) -> None:
    earlier = Path(shutil.copytree(clean_run, tmp_path / "earlier"))

    def know(document: Any) -> None:
        document["cells"][0]["known_defects"] = [{"rule": "defect.x"}]

    edit(earlier, know)
    first = read_run(run).cells[0].key[:2]
    assert compare_runs(read_run(run), read_run(earlier)).words[first] == "fixed"
    assert compare_runs(read_run(earlier), read_run(run)).words[first] == "known defect"


def test_what_a_kernel_cannot_have_is_not_fixed(run: Path, clean_run: Path, tmp_path: Path) -> None:
    """It failed on the one kernel, and is not to be had on the other."""
    earlier = Path(shutil.copytree(clean_run, tmp_path / "earlier"))
    bad = {"verdict": "mismatch", "reason": "regions: regions is 0, expected == 1"}
    edit(earlier, lambda document: document["cells"][0].update(bad))
    gone = {"verdict": "unsupported", "reason": "no pmem"}
    edit(run, lambda document: document["cells"][0].update(gone))
    assert dict(compare_runs(read_run(run), read_run(earlier)).words) == {}
