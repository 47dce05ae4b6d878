"""Lines of running guests on a terminal, seen as a terminal shows them. No guest runs."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pexpect
import pyte
import pytest
from rich.cells import cell_len

from harness.plugin.live import line_of
from harness.report.running import RunningCell, RunningNote, read_running
from tests.support.checkout import ROOT
from tests.support.scenarios import CONFTEST, SCENARIO

ROWS, COLUMNS = 40, 100
SECONDS = 120
# In the place of a guest: a console with what no terminal should be sent, and a wait.
SLOW = r"""
import os, time
import pytest
from harness.plugin.items import CellItem
from harness.report.results import CellFolder

@pytest.hookimpl(tryfirst=True)
def pytest_runtest_call(item):
    folder = CellFolder(item.settings.run_directory, item.cell.id)
    folder.running.write("gup-test 1/1")
    with folder.console_log.open("wb") as console:
        for wait in range(8):
            console.write(b"[ %d.0] \x1b[2Jred\a\n" % wait)
            console.flush()
            time.sleep(0.1)
    folder.running.remove()
    pytest.skip("no guest")
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "gup.yaml").write_text(SCENARIO)
    (tmp_path / "slow.py").write_text(SLOW)
    return tmp_path


def on_a_terminal(folder: Path, *words: str, term: str = "xterm") -> tuple[str, list[str]]:
    """All that was sent to the terminal, and what it shows at the end."""
    command = ["-m", "pytest", "--arch=s390x", "-p", "slow", "-p", "no:cacheprovider"]
    command += ["--rootdir=.", f"--results=out-{term}", *words]
    path = os.pathsep.join((str(folder), str(ROOT)))
    kept = {k: v for k, v in os.environ.items() if k not in ("CI", "COLUMNS", "GITHUB_ACTIONS")}
    with pexpect.spawn(
        sys.executable,
        command,
        cwd=str(folder),
        env={**kept, "TERM": term, "PYTHONPATH": path, "NO_COLOR": "1"},
        dimensions=(ROWS, COLUMNS),
        timeout=SECONDS,
        encoding="utf-8",
    ) as child:
        child.expect(pexpect.EOF)
        sent = str(child.before)
    screen = pyte.Screen(COLUMNS, ROWS)
    pyte.Stream(screen).feed(sent)
    return sent, [line.rstrip() for line in screen.display]


def without_times(lines: list[str]) -> list[str]:
    text = "\n".join(lines).replace("out-dumb", "out-xterm")
    return re.sub(r"=+ (.*) in [0-9.]+s =+", r"\1", text).splitlines()


@pytest.mark.parametrize("words", [(), ("-v",), ("-n", "2")])
def test_a_line_while_it_runs_and_nothing_of_it_afterwards(
    folder: Path, words: tuple[str, ...]
) -> None:
    sent, shown = on_a_terminal(folder, *words)
    line = r"gup-anon\[s390x-get-fast\]  gup-test 1/1  \d s  \[ \d\.0\] \\x1b\[2Jred\\x07"
    assert re.search(line, sent)
    assert "\x1b[2J" not in sent
    assert not re.search(line, "\n".join(shown))
    assert any("2 skipped" in text for text in shown)
    if "-n" not in words:  # whose workers finish in any order
        _, plain = on_a_terminal(folder, *words, term="dumb")
        assert without_times(shown) == without_times(plain)


@pytest.mark.parametrize(("words", "term"), [(("-q",), "xterm"), ((), "dumb")])
def test_plain_where_it_was_asked_for(folder: Path, words: tuple[str, ...], term: str) -> None:
    sent, _ = on_a_terminal(folder, *words, term=term)
    assert "gup-test 1/1" not in sent


@pytest.mark.parametrize("said", [b"", b"x" * 300, "\u6f22".encode() * 300, b"\x1b" * 300])
def test_a_line_is_as_long_as_the_terminal_whatever_is_said(tmp_path: Path, said: bytes) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/console.log").write_bytes(said + b"\n")
    cell = RunningCell("cell[one]", "folder", "boot", 0.0, os.getpid())
    assert cell_len(line_of(cell, tmp_path, 80)) == 79


def test_what_runs_is_told_until_it_is_done(tmp_path: Path) -> None:
    note = RunningNote(tmp_path, "cell[one]", "folder")
    note.write("boot")
    note.write("gup-test 1/2")
    (told,) = read_running(tmp_path)
    assert (told.name, told.phase, told.pid) == ("cell[one]", "gup-test 1/2", os.getpid())
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/console.log").write_bytes(b"one\r\n[ 0.1] two\r\n\r\n")
    assert told.last_line(tmp_path) == "[ 0.1] two"
    note.remove()
    assert list(read_running(tmp_path)) == []
    assert not (tmp_path / ".running").exists()


def test_a_process_that_is_gone_runs_nothing(tmp_path: Path) -> None:
    pid = os.fork()
    if pid == 0:
        try:
            RunningNote(tmp_path, "cell", "folder").write("boot")
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    assert (tmp_path / ".running/folder.json").exists()
    assert list(read_running(tmp_path)) == []


def test_a_note_that_cannot_be_put_in_its_place_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / ".running" / "folder.json").mkdir(parents=True)
    RunningNote(tmp_path, "cell", "folder").write("boot")
    assert [path.name for path in (tmp_path / ".running").iterdir()] == ["folder.json"]
