"""``daxhound bisect`` and ``bisect-step``: how they end. What a kernel does is told here."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.campaign.order import Order
from harness.cli import main
from harness.commands import series_runs
from harness.commands.named import choose_cells
from harness.errors import InfrastructureError, UserError
from harness.git import find_bisected_from
from harness.records import CellResult, Verdict
from harness.report.findings import find
from harness.report.run import read_run
from harness.report.summary import headline
from tests.support.regressions import regression_patch
from tests.support.scenarios import SCENARIO

OK = CellResult("", "s", "t", "k", Verdict.OK, "", 1.0, 1.0, phase="after the last step")
BAD = replace(OK, verdict=Verdict.MISMATCH, reason="size is 1, expected 2")
HOST = replace(OK, verdict=Verdict.INFRASTRUCTURE, reason="no QEMU", phase="boot")
UNBUILT = replace(OK, verdict=Verdict.KERNEL_FAILURE, reason="x.c:1: error", phase="build")

STEP = ("bisect-step", "--scenario", "gup-anon", "--arch", "s390x")
CELLS = len(choose_cells(["s390x"], ["gup-anon"]))


class Told:
    """Runs nothing: results in their order, and how many were asked for."""

    def __init__(self, *results: CellResult | Exception) -> None:
        self.results: Iterator[CellResult | Exception] = iter(results)
        self.asked = 0
        self.orders: list[Order] = []
        self.provider = self
        self.kernel_name = "debian:6.1"
        self.run_directory = Path.cwd()

    def provide(self, *_: object) -> None:
        raise InfrastructureError("nothing is kept")

    def check(self, *_: object) -> None:
        """The kernel's source is there, and the patches go on it."""

    def run(self, order: Order) -> CellResult:
        self.asked += 1
        self.orders.append(order)
        result = next(self.results, OK)
        if isinstance(result, Exception):
            raise result
        return replace(result, id=order.id, patch=order.prefix.label if order.prefix else None)


@pytest.fixture
def tell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Told]:
    monkeypatch.chdir(tmp_path)

    def told(*results: CellResult | Exception) -> Told:
        runner: Any = Told(*results)
        monkeypatch.setattr(series_runs, "provider_of", lambda *_: runner)
        monkeypatch.setattr(series_runs, "_runner", lambda *_: runner)
        return runner  # type: ignore[no-any-return]

    return told


@pytest.mark.parametrize(
    ("results", "code", "asked"),
    [
        ([], 0, CELLS),
        ([OK, BAD], 1, 2),
        ([HOST, OK, BAD], 1, 3),
        ([HOST], 125, CELLS),
        ([OK, UNBUILT], 125, CELLS),
        ([UserError("no such symbol")], 125, CELLS),
        ([RuntimeError("a mistake of the harness")], 128, 1),
    ],
)
def test_what_git_is_told(
    tell: Callable[..., Told], results: list[CellResult | Exception], code: int, asked: int
) -> None:
    runner = tell(*results)
    assert main(STEP) == code
    assert runner.asked == asked


def test_no_more_guests_than_it_takes(tell: Callable[..., Told]) -> None:
    runner = tell(BAD, HOST, BAD)
    assert main([*STEP, "--runs", "5", "--need", "2"]) == 1
    assert runner.asked == 3
    runner = tell(*[OK] * 4 * CELLS)
    assert main([*STEP, "--runs", "5", "--need", "2"]) == 0
    assert runner.asked == 4 * CELLS
    tell(BAD, OK, HOST, OK, HOST)
    assert main([*STEP, "--runs", "5", "--need", "2"]) == 125


@pytest.mark.parametrize(
    "arguments",
    [["--scenario", "gup-anom"], ["--frobnicate"], ["--need", "2"], ["--patience", "0"]],
)
def test_bad_options_end_the_bisection(arguments: list[str]) -> None:
    assert main(["bisect-step", *arguments]) == 128


@pytest.mark.parametrize("factor", ["0", "-1", "nan", "inf"])
@pytest.mark.parametrize("command", [("series", "x.patch"), ("bisect", "--series", "x.patch")])
def test_patience_leaves_a_deadline(
    command: tuple[str, ...],
    factor: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main([*command, f"--patience={factor}"]) == 4
    said = capsys.readouterr().err
    assert said.startswith(
        f"daxhound: --patience {factor}: no deadline is left\n  try: --patience 1"
    )
    assert not Path("results").exists()


def test_runs_are_at_least_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bisect", "--series", "x.patch", "--runs", "0"]) == 4
    said = "daxhound: --runs 0: no guest could run\n  try: --runs 1, or more\n"
    assert capsys.readouterr().err == said


def test_a_tree_that_is_no_kernel_ends_the_bisection_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*STEP, "--kernel", f"dir:{tmp_path}", "--results", str(tmp_path / "out")]) == 128
    said = capsys.readouterr()
    assert (said.out + said.err).count("is no Linux source tree") == 1


def test_a_patch_that_does_not_apply_ends_a_bisection_before_a_guest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "Makefile").write_text("VERSION = 6\nPATCHLEVEL = 1\n")
    patch = str(regression_patch("pmd-align"))
    options = ("--kernel", f"dir:{tmp_path}", "--results", str(tmp_path / "out"))
    assert main(["bisect", "--series", patch, *STEP[1:], *options]) == 4
    assert capsys.readouterr().err.count("does not apply") == 1
    assert not (tmp_path / "out").exists()


def test_what_a_kernel_no_longer_has_is_said(
    tell: Callable[..., Told], capsys: pytest.CaptureFixture[str]
) -> None:
    tell(replace(BAD, lost=("dax_refcount_rework: pages are folios",)))
    assert main(STEP) == 1
    assert "dax_refcount_rework: pages are folios" in capsys.readouterr().out


def test_what_was_left_aside_in_a_series_is_told(
    tell: Callable[..., Told], capsys: pytest.CaptureFixture[str]
) -> None:
    tell()
    diff = "--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a\n+b\n"
    Path("x.patch").write_text(f"From: A <a@example.org>\nSubject: [PATCH 2/9] x\n\n{diff}")
    assert main(["bisect", "--series", "x.patch", *STEP[1:]]) == 0
    assert capsys.readouterr().out.startswith("series: patch 2 of 9 by itself\n")


@pytest.mark.parametrize(
    ("results", "code", "unjudged"),
    [
        ([], 0, 0),
        ([OK, HOST], 3, 1),
        ([HOST, OK, OK, HOST, OK, OK], 3, 2),
        ([OK, HOST, OK, BAD], 1, 1),
    ],
)
def test_the_hosts_trouble_with_one_cell_spares_the_others(
    tell: Callable[..., Told],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    results: list[CellResult],
    code: int,
    unjudged: int,
) -> None:
    tell(*results)
    monkeypatch.setattr(series_runs, "_tell", lambda *_: ["broken"])
    patch = str(regression_patch("pmd-align"))
    cells = STEP[1:]
    assert main(["bisect", "--series", patch, *cells]) == code
    lines = capsys.readouterr().out.splitlines()
    assert sum("not judged: " in line for line in lines) == unjudged
    assert len(lines) == CELLS + 1
    assert lines[-1] == f"results: {Path.cwd()}"


def _three_patches(folder: Path) -> Path:
    """A series that nothing is applied of."""
    folder.mkdir()
    for number in (1, 2, 3):
        diff = f"--- a/mm/{number}.c\n+++ b/mm/{number}.c\n@@ -1 +1 @@\n-old\n+new\n"
        (folder / f"{number}.patch").write_text(diff)
    return folder


def test_a_bisection_leaves_a_run_that_can_be_reported(
    tell: Callable[..., Told], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    tell(OK, BAD, OK, BAD, *[OK] * 2 * CELLS)
    series = str(_three_patches(tmp_path / "my series"))
    assert main(["bisect", "--series", series, *STEP[1:], "--patience", "2"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert "broken by patch 2: 2" in lines[0]
    assert "  kernels:  base ok; 3/3 regressed; 1/3 ok; 2/3 regressed" in lines
    again = f"daxhound bisect --series '{tmp_path}/my series' --kernel debian:6.1"
    assert any(f"reproduce:  {again} " in line and "--patience=2" in line for line in lines)
    run = read_run(tmp_path)
    words = {
        cell.entry.id.partition("@")[2]: cell.entry.comparison and cell.entry.comparison.word.value
        for cell in run.cells[:4]
    }
    assert words == {"base": None, "03": "regressed", "01": "unchanged", "02": "regressed"}
    assert len(run.cells) == 4 + 2 * (CELLS - 1)
    assert run.document.finished is not None
    assert headline(run, find(run.cells)).startswith('Patch 2/3 "2" regresses 1 cell on ')


def test_a_base_that_does_not_build_is_bad_input(
    tell: Callable[..., Told], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    tell(UNBUILT, BAD)
    series = str(_three_patches(tmp_path / "series"))
    assert main(["bisect", "--series", series, *STEP[1:]]) == 4
    said = capsys.readouterr().out
    assert "not judged: " in said
    assert said.count("the base does not build: nothing to bisect from") == 1
    assert "x.c:1: error" in said
    # It may be one target's alone: the others were gone on with.
    assert said.count(series_runs._HARMLESS) == CELLS - 1


INTENDED = """\
intended:
  - {patch: 2, step: gup-test, value: outcome, becomes: refused, because: it must}
  - {patch: 2, step: gup-test, value: get_us, becomes: lower, because: it is faster}
"""


@pytest.mark.parametrize("named", [False, True])
def test_what_a_series_is_meant_to_change_is_known_to_a_bisection(
    tell: Callable[..., Told], capsys: pytest.CaptureFixture[str], tmp_path: Path, named: bool
) -> None:
    """But for times, which it takes none of."""
    Path("mine.yaml").write_text(SCENARIO.replace("get-fast, pin-fast", "get-fast"))
    series = _three_patches(tmp_path / "series")
    file = tmp_path / "mine.expect.yaml" if named else series / "expect.yaml"
    file.write_text(INTENDED)
    runner = tell(OK, BAD, OK, BAD)
    given = [f"--expect={file}"] if named else []
    words = ("--scenario", "mine.yaml", "--arch", "s390x")
    assert main(["bisect", "--series", str(series), *words, *given]) == 1
    asked = {order.patches[-1].position if order.patches else 0: order for order in runner.orders}
    assert [bool(asked[position].intentions) for position in (0, 1, 2, 3)] == [False] * 2 + [
        True
    ] * 2
    assert [intention.value for intention in asked[3].intentions] == ["outcome"]
    (again,) = [line for line in capsys.readouterr().out.splitlines() if "reproduce: " in line]
    assert (f"--expect={file}" in again) is named


def test_an_announced_change_that_does_not_come_is_told_by_a_bisection(
    tell: Callable[..., Told], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    Path("mine.yaml").write_text(SCENARIO.replace("get-fast, pin-fast", "get-fast"))
    series = _three_patches(tmp_path / "series")
    (series / "expect.yaml").write_text(INTENDED)
    tell(OK, OK, OK, OK)
    words = ("--scenario", "mine.yaml", "--arch", "s390x")
    assert main(["bisect", "--series", str(series), *words]) == 1
    said = capsys.readouterr().out
    assert "no patch breaks it, and it does not change as it was to:" in said
    assert "NOT as intended" in said
    assert "breaks nothing" not in said


def test_a_bisection_under_way_says_which_commit_was_good(tmp_path: Path) -> None:
    def git(*arguments: str) -> str:
        who = ("-c", "user.name=t", "-c", "user.email=t@example.org")
        command = ("git", "-C", str(tmp_path), *who, *arguments)
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    assert find_bisected_from(tmp_path) is None
    git("init", "-q")
    for number in range(5):
        date = f"--date=2026-11-2{number}T00:00:00Z"
        git("commit", "-q", "--allow-empty", "-m", f"change {number}", date)
    first = git("rev-parse", "HEAD~4")
    assert find_bisected_from(tmp_path) is None
    git("bisect", "start", "--term-good=fast", "--term-bad=slow", "HEAD", first)
    assert find_bisected_from(tmp_path) == first
    git("bisect", "fast")
    assert find_bisected_from(tmp_path) in (first, git("rev-parse", "HEAD~1"))


def test_the_run_that_shows_it_is_the_evidence(
    tell: Callable[..., Told], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The patched kernel fails in its second run: the first says nothing of it."""
    Path("mine.yaml").write_text(SCENARIO.replace("get-fast, pin-fast", "get-fast"))
    tell(OK, OK, OK, BAD)
    series = str(regression_patch("pmd-align"))
    words = ("--scenario", "mine.yaml", "--arch", "s390x", "--runs", "2")
    assert main(["bisect", "--series", series, *words]) == 1
    said = capsys.readouterr().out
    assert "regressed by patch 1" in said
    assert "@01~2" in said
    run = read_run(tmp_path)
    (patched,) = [cell for cell in run.cells if cell.entry.id.endswith("@01")]
    assert patched.entry.verdict is Verdict.MISMATCH
    assert patched.entry.folder.endswith("@01~2")
    assert main(["report", str(tmp_path), "--format", "text", "--check"]) == 1


def test_a_scenario_of_ones_own_is_followed_and_named(
    tell: Callable[..., Told], capsys: pytest.CaptureFixture[str]
) -> None:
    runner = tell(OK, BAD, *[OK] * 2)
    Path("mine.yaml").write_text(SCENARIO)
    series = str(regression_patch("pmd-align"))
    assert main(["bisect", "--series", series, "--scenario", "mine.yaml", "--arch", "s390x"]) == 1
    assert runner.asked == 4
    again = "--scenario mine.yaml::gup-anon --arch s390x"
    assert again in capsys.readouterr().out
