"""``pytest --series``: what is found out before a cell runs, and what a broken run leaves."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.cli import main
from harness.commands.named import choose_cells
from harness.report.series_text import render_series_summary
from harness.scenario.find import SCENARIOS_DIR
from harness.shipped import shown
from tests.support.scenarios import CONFTEST, SCENARIO

PATCH = """\
--- a/mm/gup.c
+++ b/mm/gup.c
@@ -1,3 +1,3 @@
 one
-{old}
+changed
 three
"""


@pytest.fixture
def folder(pytester: pytest.Pytester) -> pytest.Pytester:
    """Scenarios, a kernel of two files, and a patch for each end."""
    pytester.makeconftest(CONFTEST)
    pytester.path.joinpath("gup.yaml").write_text(SCENARIO)
    tree = pytester.path / "linux"
    (tree / "mm").mkdir(parents=True)
    (tree / "Makefile").write_text("VERSION = 6\nPATCHLEVEL = 1\n")
    (tree / "mm/gup.c").write_text("one\ntwo\nthree\n")
    pytester.path.joinpath("fits.patch").write_text(PATCH.format(old="two"))
    pytester.path.joinpath("noapply.patch").write_text(PATCH.format(old="2"))
    return pytester


def run(folder: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    options = ("--arch", "s390x,arm64", "--kernel", "dir:linux", "--results", "out")
    return folder.runpytest_subprocess(*options, *arguments)


@pytest.mark.parametrize(
    "how", [("--guests", "1"), ("--guests", "2"), ("-n", "1"), ("--cluster", "tcp://127.0.0.1:1")]
)
def test_a_patch_that_does_not_apply_is_told_once_and_nothing_runs(
    folder: pytest.Pytester, how: tuple[str, str]
) -> None:
    result = run(folder, "--series", "noapply.patch", *how)
    said = result.stdout.str() + result.stderr.str()
    assert result.ret == 4
    assert said.count("does not apply to dir:linux: mm/gup.c, hunk 1 of 1") == 1
    assert "Traceback" not in said
    assert not list(folder.path.glob("out/*/"))


def test_collecting_does_not_ask_the_kernel(folder: pytest.Pytester) -> None:
    result = run(folder, "--series", "noapply.patch", "--collect-only", "-q")
    assert (result.ret, "does not apply" in result.stdout.str()) == (0, False)


_ENDED = """
from harness.campaign.cell import unbuilt
from harness.errors import UserError
from harness.plugin.settings import Settings
from harness.records import Verdict

class Told:
    def run(self, order):
        if order.patches:
            raise UserError("no such symbol")
        return unbuilt(order, "6.1.192", Verdict.OK, "")

Settings.runner = Told()
"""


def test_bases_that_finished_are_kept_where_the_patched_kernel_cannot_be_had(
    folder: pytest.Pytester,
) -> None:
    folder.makepyfile(ended=_ENDED)
    result = run(folder, "--series", "fits.patch", "--guests", "1", "-p", "ended")
    assert result.ret == 4
    cells = json.loads(folder.path.joinpath("out", "run.json").read_text())["cells"]
    assert [cell["verdict"] for cell in cells] == ["ok"] * 4
    assert cells[0]["id"] == "gup.yaml::gup-anon[s390x-get-fast]@base"


def test_the_command_to_run_a_cell_again_has_what_changes_its_outcome(
    folder: pytest.Pytester,
) -> None:
    folder.path.joinpath("linux").rename(folder.path / "my linux")
    for name in ("ignore.yaml", "changes.yaml"):
        key = "ignore: []\n" if name.startswith("ignore") else "intended: []\n"
        folder.path.joinpath(name).write_text(key)
    folder.makepyfile(ended=_ENDED)
    options = ("--kernel", "dir:my linux", "--series", "fits.patch", "--per-patch", "--guests", "1")
    reports = ("--ignore-reports", "ignore.yaml")
    told = ("--expect", "changes.yaml", "--transport", "ssh", "--patience", "2", *reports)
    ignored = ("--ignore=ignore.yaml", "--ignore=changes.yaml", "--timings", "0")
    run(folder, *options, *told, *ignored, "-p", "ended")
    cells = json.loads(folder.path.joinpath("out", "run.json").read_text())["cells"]
    assert cells[0]["reproduce"] == (
        "pytest 'gup.yaml::gup-anon[s390x-get-fast]@01' --arch s390x --kernel 'dir:my linux' "
        "--series fits.patch --per-patch --expect changes.yaml --transport ssh --patience 2.0 "
        "--ignore-reports ignore.yaml"
    )


@pytest.fixture
def arguments(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """What ``daxhound series`` gives to pytest."""

    def given(*words: str) -> list[str]:
        taken: list[str] = []

        def take(words: list[str]) -> int:
            taken.extend(words)
            return 0

        monkeypatch.setattr("pytest.main", take)
        assert main(["series", "x.patch", "--results", "out", *words]) == 0
        return taken

    return given


def test_a_scenario_is_chosen_by_its_whole_name(
    folder: pytest.Pytester, arguments: Callable[..., list[str]]
) -> None:
    words = arguments("--scenario", "churn", "--scenario", "dax-pud", "--arch", "x86_64")
    words[words.index("--series=x.patch")] = "--series=fits.patch"
    result = folder.runpytest_subprocess(*words, "--collect-only", "-q")
    names = {line.partition("::")[2].partition("[")[0] for line in result.outlines if "::" in line}
    assert names == {"churn", "dax-pud"}


def test_a_scenario_without_a_cell_on_the_target_is_left_out(
    arguments: Callable[..., list[str]],
) -> None:
    chosen = [word for word in arguments("--scenario", "core", "--arch", "s390x") if "::" in word]
    there_are = {cell.scenario for cell in choose_cells(["s390x"], ["core"])}
    assert {word.partition("::")[2] for word in chosen} == there_are


def test_a_scenario_of_ones_own_is_given_to_pytest(
    tmp_path: Path, arguments: Callable[..., list[str]]
) -> None:
    own = tmp_path / "mine.yaml"
    own.write_text(SCENARIO)
    words = arguments("--scenario", str(own), "--scenario", "churn", "--arch", "x86_64")
    assert [shown(Path(word.partition("::")[0])) for word in words if "::" in word] == [
        shown(own),
        shown(SCENARIOS_DIR / "churn.yaml"),
    ]


def test_options_of_a_run_are_passed_on(arguments: Callable[..., list[str]]) -> None:
    words = arguments("--expect", "e.yaml", "--timings", "6", "--fresh", "--guests", "1")
    assert {"--expect=e.yaml", "--timings=6", "--fresh", "--guests=1"} <= set(words)
    assert not [word for word in arguments() if word.startswith(("--expect", "--fresh"))]


def test_the_command_ends_without_a_warning_of_pytest(folder: pytest.Pytester) -> None:
    command = (sys.executable, "-m", "harness.cli", "series", "noapply.patch")
    options = ("--kernel", "dir:linux", "--scenario", "gup-anon", "--arch", "s390x")
    result = folder.run(*command, *options)
    assert result.ret == 4
    assert "Warning" not in result.stdout.str() + result.stderr.str()


@pytest.mark.parametrize(
    ("word", "before", "after", "told"),
    [
        ("regressed", 0, 3, True),
        ("regressed", 2, 3, False),
        ("unchanged", 0, 3, False),
        ("infrastructure", 0, 3, False),
    ],
)
def test_of_several_patches_it_is_said_how_to_find_the_one(
    word: str, before: int, after: int, told: bool
) -> None:
    nothing: dict[str, list[str]] = {"times": [], "lost": [], "differences": []}
    base = {"patch": before}
    comparison = {"word": word, "patch": after, "base": base, "patch_subject": "mm: x", **nothing}
    cell = {"id": "a.yaml::a[s390x]", "comparison": comparison}
    assert ("--per-patch" in render_series_summary([cell])) == told
