"""The pytest face: how cells are collected, and how bad input is answered."""

from __future__ import annotations

import fcntl
import json
import os

import pytest

from harness.cli import main
from harness.report.run import read_run
from harness.report.summary import headline
from tests.support.git import git
from tests.support.scenarios import CONFTEST, SCENARIO


@pytest.fixture
def folder(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makeconftest(CONFTEST)
    pytester.path.joinpath("gup.yaml").write_text(SCENARIO)
    linux = pytester.mkdir("linux")
    linux.joinpath("Makefile").write_text("VERSION = 6\nPATCHLEVEL = 1\nSUBLEVEL = 0\n")
    return pytester


# A kernel that is there, for runs whose cells boot none.
KERNEL = ("--kernel", "dir:linux")


def test_one_item_a_cell(folder: pytest.Pytester) -> None:
    result = folder.runpytest_subprocess("--collect-only", "-q", "--arch", "s390x,ppc64-hash")
    result.stdout.fnmatch_lines(
        [
            "gup.yaml::gup-anon[[]s390x-get-fast[]]",
            "gup.yaml::gup-anon[[]s390x-pin-fast[]]",
            "gup.yaml::gup-anon[[]ppc64-hash-get-fast[]]",
            "gup.yaml::gup-anon[[]ppc64-hash-pin-fast[]]",
        ]
    )
    assert result.ret == 0


@pytest.mark.parametrize("conftest", [True, False])
def test_a_file_that_is_named_is_collected_once(pytester: pytest.Pytester, conftest: bool) -> None:
    path = pytester.path / "mine" / "odd.yaml"
    path.parent.mkdir()
    path.write_text(SCENARIO)
    if conftest:
        path.with_name("conftest.py").write_text(CONFTEST)
    for name, cells in ((str(path), 2), (f"{path}::gup-anon[s390x-pin-fast]", 1)):
        result = pytester.runpytest_subprocess("--collect-only", "-q", "--arch", "s390x", name)
        result.stdout.fnmatch_lines(["*odd.yaml::gup-anon[[]s390x-pin-fast[]]"])
        assert f"{cells} test{'s' * (cells > 1)} collected" in result.stdout.str()


def test_a_file_that_is_named_and_empty_is_bad_input(folder: pytest.Pytester) -> None:
    """As one of a folder it may be somebody's that is commented out."""
    folder.path.joinpath("empty.yaml").write_text("# scenario: later\n")
    named = folder.runpytest_subprocess("--collect-only", "empty.yaml")
    said = named.stdout.str()
    assert (named.ret, "Traceback" in said) == (4, False)
    assert f"{folder.path}/empty.yaml: has no scenario\n" in said
    assert folder.runpytest_subprocess("--collect-only", "-q").ret == 0


def test_a_folder_of_others_is_left_alone(pytester: pytest.Pytester) -> None:
    pytester.path.joinpath("workflow.yaml").write_text("jobs: {}\n")
    for arguments in ([], [str(pytester.path)]):
        assert pytester.runpytest_subprocess(*arguments).ret == pytest.ExitCode.NO_TESTS_COLLECTED


def test_a_scenario_in_a_folder_that_is_left_alone_is_pointed_at(pytester: pytest.Pytester) -> None:
    pytester.mkdir("mine").joinpath("odd.yaml").write_text(f"---\n{SCENARIO}")
    result = pytester.runpytest_subprocess("mine")
    result.stdout.fnmatch_lines(
        ["mine/odd.yaml has a scenario, but nobody named it: it was left alone"]
    )
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED
    conftest = result.outlines[-2].strip()
    pytester.path.joinpath("mine", "conftest.py").write_text(f"{conftest}\n")
    again = pytester.runpytest_subprocess("mine", "--collect-only", "-q", "--arch", "s390x")
    assert "2 tests collected" in again.stdout.str()
    deselected = pytester.runpytest_subprocess("mine", "-k", "nothing")
    assert "left alone" not in deselected.stdout.str()


def test_configurations_are_told_apart_by_name(folder: pytest.Pytester) -> None:
    options = ("--arch", "arm64", "--config", "debug,no-thp", "-k", "pin")
    result = folder.runpytest_subprocess("--collect-only", "-q", *options)
    result.stdout.fnmatch_lines(["gup.yaml::gup-anon[[]arm64-pin-fast+debug+no-thp[]]"])


def test_every_target_without_arch(folder: pytest.Pytester) -> None:
    result = folder.runpytest_subprocess("--collect-only", "-q")
    assert "10 tests collected" in result.stdout.str()


def test_keywords_select_cells(folder: pytest.Pytester) -> None:
    result = folder.runpytest_subprocess("--collect-only", "-q", "-k", "radix and pin")
    result.stdout.fnmatch_lines(["gup.yaml::gup-anon[[]ppc64-radix-pin-fast[]]"])
    assert "1/10 tests collected" in result.stdout.str()


def test_core_scenarios_are_chosen_by_their_mark(folder: pytest.Pytester) -> None:
    core = SCENARIO.replace("gup-anon", "gup-core") + "core: true\n"
    folder.path.joinpath("more.yaml").write_text(core)
    arguments = ("--collect-only", "-q", "--arch", "s390x", "--strict-markers", "-m", "core")
    result = folder.runpytest_subprocess(*arguments)
    result.stdout.fnmatch_lines(
        [
            "more.yaml::gup-core[[]s390x-get-fast[]]",
            "more.yaml::gup-core[[]s390x-pin-fast[]]",
            "*2/4 tests collected*",
        ]
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--arch", "ppc46-hash"], ["no such target: 'ppc46-hash'", "ppc64-hash", "s390x"]),
        (["--kernel", "debain:6.1"], ["debain:6.1", "debian:6.1"]),
        (["--config", "no-tph"], ["no such configuration fragment: 'no-tph'", "no-thp"]),
        (["--cluster", "tcp://127.0.0.1:1", "-n", "2"], ["-n runs cells here"]),
        (["--guests", "0"], ["--guests 0: no cell could run", "--guests 1"]),
        (["--results", "gup.yaml"], ["gup.yaml: is no folder for results", "try: --results DIR"]),
        (["--results", "gup.yaml/x"], ["gup.yaml: is no folder for results"]),
        (["--patience", "0"], ["--patience 0: no deadline is left", "try: --patience 1"]),
        (["--patience", "-1"], ["--patience -1: no deadline is left"]),
        (["--patience", "nan"], ["--patience nan: no deadline is left"]),
        (["--patience", "inf"], ["--patience inf: no deadline is left"]),
        (["--guests", "2", "-n", "2"], ["-n has several, of one guest each"]),
        (["--guests", "2", "--cluster", "tcp://127.0.0.1:1"], ["--cluster runs none here"]),
    ],
)
def test_bad_options_are_usage_errors(
    folder: pytest.Pytester, arguments: list[str], words: list[str]
) -> None:
    result = folder.runpytest_subprocess(*arguments)
    assert result.ret == 4
    said = result.stdout.str() + result.stderr.str()
    assert all(word in said for word in words)
    assert "Traceback" not in said


@pytest.mark.parametrize("how", [("--guests", "1"), ("--guests", "2"), ("-n", "1")])
@pytest.mark.parametrize(
    ("kernel", "words"),
    [
        ("dir:nowhere", "dir:nowhere is no Linux source tree"),
        ("git:nowhere@HEAD", "git:nowhere@HEAD: no such directory"),
        ("tar:linux.tar.xz", "tar:linux.tar.xz cannot be read: No such file or directory"),
    ],
)
def test_a_kernel_that_is_not_there_is_told_once_and_nothing_runs(
    folder: pytest.Pytester, kernel: str, words: str, how: tuple[str, str]
) -> None:
    result = folder.runpytest_subprocess("--arch", "s390x", "--kernel", kernel, *how)
    said = result.stdout.str() + result.stderr.str()
    assert (result.ret, said.count(words), "Traceback" in said) == (4, 1, False)
    assert not folder.path.joinpath("results").exists()


@pytest.mark.parametrize("how", [("--guests", "1"), ("--guests", "2"), ("-n", "1")])
def test_a_folder_that_another_run_has_is_told_once_and_nothing_runs(
    folder: pytest.Pytester, how: tuple[str, str]
) -> None:
    out = folder.path / "out"
    out.mkdir()
    held = os.open(out, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    result = folder.runpytest_subprocess(*KERNEL, "--arch", "s390x", "--results", "out", *how)
    os.close(held)
    said = result.stdout.str() + result.stderr.str()
    words = "out: another run writes its results there"
    assert (result.ret, said.count(words), "Traceback" in said) == (4, 1, False)
    assert list(out.iterdir()) == []


_TOLD = """
from harness.plugin.worker_input import WorkerInput

def test_told(pytestconfig):
    assert WorkerInput.of(pytestconfig).pinned_kernel == {commit!r}
"""


def test_workers_are_told_which_commit_a_branch_stands_for(pytester: pytest.Pytester) -> None:
    """It may move on before the last of them asks."""
    tree = pytester.mkdir("linux")
    (tree / "Makefile").write_text("VERSION = 6\nPATCHLEVEL = 1\nSUBLEVEL = 99\n")
    git(tree, "init", "-q")
    git(tree, "add", ".")
    git(tree, "commit", "-qm", "old")
    commit = git(tree, "rev-parse", "HEAD")
    pytester.makepyfile(test_told=_TOLD.format(commit=commit))
    result = pytester.runpytest_subprocess("-n", "1", "--kernel", "git:linux@HEAD")
    result.assert_outcomes(passed=1)


_TOLD_OF_PATCHES = """
from harness.plugin.items import SETTINGS

def test_told(pytestconfig):
    settings = pytestconfig.stash[SETTINGS]
    assert [patch.subject for patch in settings.series.patches] == ["mine"]
    assert [intended.because for intended in settings.intentions] == ["so it is"]
"""
_EDIT = """
import pathlib, pytest

@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session):
    if not hasattr(session.config, "workerinput"):
        pathlib.Path("mine.patch").unlink()
        pathlib.Path("mine.expect.yaml").unlink()
"""


def test_workers_are_told_the_patches(pytester: pytest.Pytester) -> None:
    """A file may be edited before the last worker starts, and a pipe can be read once."""
    tree = pytester.mkdir("linux")
    (tree / "Makefile").write_text("VERSION = 6\nPATCHLEVEL = 1\nSUBLEVEL = 99\n")
    pytester.path.joinpath("mine.patch").write_text(
        "--- a/Makefile\n+++ b/Makefile\n@@ -3 +3 @@\n-SUBLEVEL = 99\n+SUBLEVEL = 98\n"
    )
    pytester.path.joinpath("mine.expect.yaml").write_text(
        "intended:\n  - {step: gup-test, value: put_us, becomes: lower, because: so it is}\n"
    )
    pytester.makeconftest(_EDIT)
    pytester.makepyfile(test_told=_TOLD_OF_PATCHES)
    result = pytester.runpytest_subprocess(*KERNEL, "-n", "1", "--series", "mine.patch")
    result.assert_outcomes(passed=1)


def test_a_cluster_that_does_not_answer_is_the_hosts_trouble(folder: pytest.Pytester) -> None:
    words = ("--arch", "s390x", "--cluster", "tcp://127.0.0.1:1")
    result = folder.runpytest_subprocess(*KERNEL, *words)
    said = result.stdout.str() + result.stderr.str()
    assert result.ret == 3
    assert "no Dask scheduler answers at tcp://127.0.0.1:1" in said
    assert "Traceback" not in said


def test_an_address_that_is_none_is_bad_input(folder: pytest.Pytester) -> None:
    result = folder.runpytest_subprocess(*KERNEL, "--arch", "s390x", "--cluster", "scheduler")
    assert result.ret == 4
    assert "tcp://scheduler:8786" in result.stdout.str() + result.stderr.str()


def test_a_bad_scenario_names_its_line_and_exits_with_4(folder: pytest.Pytester) -> None:
    folder.path.joinpath("gup.yaml").write_text(SCENARIO.replace("memory: anon", "memory: anno"))
    result = folder.runpytest_subprocess("--arch", "s390x")
    assert result.ret == 4
    said = result.stdout.str()
    assert "gup.yaml:6: steps.0.gup-test.memory" in said
    assert "Traceback" not in said


_MISTAKEN = """
from harness.campaign.cell import unbuilt
from harness.plugin.settings import Settings
from harness.records import Verdict

class Told:
    def run(self, order):
        if "pin-fast" in order.id:
            raise FileNotFoundError("console.log")
        return unbuilt(order, "6.1.192", Verdict.OK, "", phase="gup-test")

Settings.runner = Told()
"""


def test_a_cell_that_a_mistake_of_the_harness_ends_is_told(folder: pytest.Pytester) -> None:
    folder.makepyfile(mistaken=_MISTAKEN)
    options = (*KERNEL, "--arch", "s390x", "--guests", "1", "--results", "out", "-p", "mistaken")
    result = folder.runpytest_subprocess(*options)
    assert result.ret == 1
    run = read_run(folder.path / "out")
    told = {cell.entry.id: (cell.entry.verdict.value, cell.entry.reason) for cell in run.cells}
    assert told == {
        "gup.yaml::gup-anon[s390x-get-fast]": ("ok", ""),
        "gup.yaml::gup-anon[s390x-pin-fast]": (
            "infrastructure",
            "FileNotFoundError: console.log",
        ),
    }
    assert main(["report", str(folder.path / "out"), "--format", "text", "--check"]) == 3


@pytest.mark.parametrize("how", ["-x", "--maxfail=1"])
def test_a_run_that_was_cut_short_is_not_whole(folder: pytest.Pytester, how: str) -> None:
    folder.makepyfile(mistaken=_MISTAKEN)
    options = ("--arch", "s390x,arm64", "--guests", "1", "--results", "out", "-p", "mistaken", how)
    assert folder.runpytest_subprocess(*KERNEL, *options).ret == 1
    run = read_run(folder.path / "out")
    assert len(run.cells) < 4
    assert run.document.ended_early
    assert main(["report", str(folder.path / "out"), "--format", "text", "--check"]) == 3


def test_a_run_without_cells_leaves_no_folder(pytester: pytest.Pytester) -> None:
    """pytest-xdist's workers are told of a folder for results before anything is collected."""
    pytester.makepyfile(test_other="def test_other(): pass")
    assert pytester.runpytest_subprocess("-n", "1").ret == 0
    assert not pytester.path.joinpath("results").exists()


@pytest.mark.parametrize("options", [(), ("-n", "2")])
def test_results_of_two_files_would_be_one(
    folder: pytest.Pytester, tmp_path_factory: pytest.TempPathFactory, options: tuple[str, ...]
) -> None:
    """A file below pytest's root and one that is not, which pytest has no name for."""
    other = tmp_path_factory.mktemp("others") / "gup.yaml"
    other.write_text(f"\n{SCENARIO}")
    words = ("gup.yaml", str(other), "--arch", "s390x", "--rootdir", str(folder.path))
    result = folder.runpytest_subprocess(*words, "-k", "no-cell", *options)
    assert result.ret == 4
    said = result.stdout.str()
    assert f"{other}:2: scenario: gup.yaml has it as well\n  try: another name" in said
    assert f"ERROR {other}" in said


def test_other_yaml_files_are_left_alone(pytester: pytest.Pytester) -> None:
    pytester.path.joinpath("gup.yaml").write_text(SCENARIO)
    assert pytester.runpytest_subprocess("--collect-only", "-q").ret == 5


_DEADLY = """
import os, signal
import pytest
from harness.plugin.items import CellItem

@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call(item):
    if isinstance(item, CellItem) and "pin-fast" in item.name:
        os.kill(os.getpid(), signal.SIGKILL)
    pytest.skip("not this one")
"""


def test_a_cell_that_takes_its_worker_along_is_in_run_json(folder: pytest.Pytester) -> None:
    folder.makepyfile(deadly=_DEADLY)
    folder.runpytest_subprocess(
        *(*KERNEL, "--arch", "s390x", "-n", "1", "-p", "deadly", "--results", "out"),
    )
    (cell,) = json.loads(folder.path.joinpath("out", "run.json").read_text())["cells"]
    assert (cell["id"], cell["verdict"]) == ("gup.yaml::gup-anon[s390x-pin-fast]", "infrastructure")
    assert (cell["scenario"], cell["target"]) == ("gup-anon", "s390x")
    assert "crashed" in cell["reason"]


_KILLED = """
import os, signal, threading
from harness.campaign.cell import unbuilt
from harness.campaign.outcomes import Outcomes
from harness.plugin.settings import Settings
from harness.records import Verdict

class Planned:
    def __init__(self, orders):
        self.orders, self.outcomes = orders, Outcomes()

    def describe(self):
        return "nobody"

    def run(self, order):
        if "get-fast" in order.id:
            thread = threading.Thread(target=self.finish)
            thread.start()
            thread.join()
            return self.outcomes.wait(order.id, 0)
        os.kill(os.getpid(), signal.SIGKILL)

    def finish(self):
        for order in self.orders:
            if "pin-fast" not in order.id:
                self.outcomes.settle(order.id, unbuilt(order, "6.1.192", Verdict.OK, ""))

def plan(settings, orders):
    settings.planned = Planned(orders)
    return settings.planned

Settings.plan = plan
"""


@pytest.mark.parametrize("options", [(), ("-p", "no:terminal")])
def test_what_had_finished_when_a_run_was_killed_is_in_its_results(
    folder: pytest.Pytester, options: tuple[str, ...]
) -> None:
    """Also what pytest had not come to: guests that run at once end out of order."""
    commands = SCENARIO.replace("[get-fast, pin-fast]", "[get-fast, pin-fast, longterm]")
    folder.path.joinpath("gup.yaml").write_text(commands)
    folder.makepyfile(killed=_KILLED)
    words = ("--arch", "s390x", "-p", "killed", "--results", "out")
    folder.runpytest_subprocess(*KERNEL, *words, *options)
    run = read_run(folder.path / "out")
    found = {cell.entry.id: cell.entry.verdict for cell in run.cells}
    names = ("get-fast", "longterm")
    assert found == {f"gup.yaml::gup-anon[s390x-{name}]": "ok" for name in names}
    assert run.document.chosen == 3
    assert headline(run, ()) == "Ended early: 2 of 3 cells finished; nothing failed in them"


_TELLING = """
import pytest
from harness.plugin.items import CellItem

@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call(item):
    (order,) = item.orders()
    pytest.skip(f"{item.name} followed: {order.followed}")
"""


def test_a_cell_knows_whether_another_one_waits_for_its_guest(folder: pytest.Pytester) -> None:
    folder.makepyfile(telling=_TELLING)
    result = folder.runpytest_subprocess(*KERNEL, "--arch", "s390x,arm64", "-p", "telling", "-rs")
    result.stdout.fnmatch_lines_random(
        [
            "*arm64-get-fast] followed: True",
            "*arm64-pin-fast] followed: False",
            "*s390x-get-fast] followed: True",
            "*s390x-pin-fast] followed: False",
        ]
    )
