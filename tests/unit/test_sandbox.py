"""What somebody else's Makefile can reach: shown by one that tries."""

from __future__ import annotations

import os
import pty
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import InfrastructureError, KernelFailure
from harness.kernel import sandbox
from harness.kernel.constants import compile_constants
from harness.kernel.make import Make, Toolchain
from harness.kernel.sandbox import python_paths, why_not, wrap
from tests.support.processes import processes_with
from tests.support.sandbox import needs_sandbox

REPOSITORY = Path(__file__).resolve().parents[2]
TOOLCHAIN = Toolchain("x86_64", "", "gcc", ccache=False)

HOSTILE = """\
SECRET := $(shell cat {home}/.secret 2>&1)
all:
	@echo secret: $(SECRET)
	-@echo owned > {home}/.profile
	-@echo owned > $(CURDIR)/Makefile
	-@(echo > /dev/tcp/127.0.0.1/{port}) 2>/dev/null && echo connected
	@echo processes: $$(ls -d /proc/[0-9]* | wc -l)
	@echo environment: $$TOKEN
	echo built > $(O)/image
"""


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    why_not.cache_clear()
    yield
    why_not.cache_clear()


@pytest.fixture
def make(tmp_path: Path) -> Make:
    for name in ("source", "objects", "home"):
        (tmp_path / name).mkdir()
    (tmp_path / "home" / ".secret").write_text("the secret")
    return Make(tmp_path / "source", tmp_path / "objects", TOOLCHAIN, tmp_path / "log")


@needs_sandbox
def test_a_hostile_makefile_builds_and_reaches_nothing(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", "a token")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        text = HOSTILE.format(home=tmp_path / "home", port=port)
        (make.source / "Makefile").write_text(f"SHELL := /bin/bash\n{text}")
        make.run(["all"], jobs=1)
        server.settimeout(0.2)
        with pytest.raises(TimeoutError):
            server.accept()
    said = make.log.read_text()
    assert (make.objects / "image").read_text() == "built\n"
    assert "the secret" not in said
    assert "a token" not in said
    assert "connected" not in said
    assert (make.source / "Makefile").read_text().startswith("SHELL")
    assert [path.name for path in (tmp_path / "home").iterdir()] == [".secret"]
    (processes,) = (line for line in said.splitlines() if line.startswith("processes:"))
    assert int(processes.split()[1]) < 10


@needs_sandbox
def test_what_it_left_running_ends_with_it(make: Make) -> None:
    (make.source / "Makefile").write_text(
        "all:\n\t@(sleep 3; echo late > $(O)/late) >/dev/null 2>&1 & echo started\n"
    )
    make.run(["all"], jobs=1)
    assert "started" in make.log.read_text()
    # The sandbox is killed as bwrap ends, which on a busy host is seen a moment later.
    soon = time.monotonic() + 2
    while processes_with("sleep 3; echo late") and time.monotonic() < soon:
        time.sleep(0.02)
    assert processes_with("sleep 3; echo late") == []


@needs_sandbox
def test_objects_get_into_no_ccache_but_the_one_given(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    users, areas = tmp_path / "users", tmp_path / "areas"
    users.mkdir()
    areas.mkdir()
    monkeypatch.setenv("CCACHE_DIR", str(users))
    (make.source / "Makefile").write_text(
        f"all:\n\ttest $$CCACHE_DEPEND && echo owned > $$CCACHE_DIR/entry\n"
        f"\techo owned > {users}/entry\n"
    )
    with pytest.raises(KernelFailure):
        replace(make, ccache=areas).run(["all"], jobs=1)
    assert (areas / "entry").exists()
    assert list(users.iterdir()) == []
    replace(make, ccache=users).run(["all"], jobs=1)
    assert (users / "entry").exists()


@needs_sandbox
def test_a_command_that_a_build_left_behind_reaches_nothing(make: Make, tmp_path: Path) -> None:
    """What the compiler is asked afterwards, it is asked by the build's own record."""
    (make.objects / "init").mkdir()
    harm = f"sh -c 'echo owned > {tmp_path}/home/.profile' -o init/main.o init/main.c"
    (make.objects / "init/.main.o.cmd").write_text(f"cmd_init/main.o := {harm}\n")
    with pytest.raises(InfrastructureError, match="do not compile"):
        compile_constants(make, {"PAGE_SHIFT": "PAGE_SHIFT"})
    assert [path.name for path in (tmp_path / "home").iterdir()] == [".secret"]


# With a terminal of its own, as a person's shell has one.
AT_A_TERMINAL = """
import fcntl, sys, termios
from pathlib import Path
from harness.kconfig import Request
from harness.kernel.make import Make, Toolchain
from harness.kernel.refusal import explain_refusals
from tests.support.processes import heed_signals

heed_signals()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
open("/dev/tty").close()
root, script = Path(sys.argv[1]), sys.argv[2]
make = Make(root / "source", root / "objects", Toolchain("x86_64", "", "gcc", False), root / "log")
"""
BY_COMPILER = """
make.compile(("sh", "-c", script), "")
"""
BY_KCONFIG = """
(make.source / "Kconfig").write_text(f"config A\\n\\tdef_bool $(shell,{script})\\n")
(make.objects / ".config").write_text("")
explain_refusals([Request("A", "y", Path("base"), 1)], make)
"""
asked = pytest.mark.parametrize("ask", [BY_COMPILER, BY_KCONFIG], ids=["compiler", "Kconfig"])
switched = pytest.mark.parametrize("switch", ["off", pytest.param("on", marks=needs_sandbox)])


@contextmanager
def at_a_terminal(
    ask: str, root: Path, script: str, switch: str
) -> Iterator[subprocess.Popen[bytes]]:
    """A program that has a stranger's script run."""
    ours, its = pty.openpty()
    with (root / "said").open("wb") as said:
        program = subprocess.Popen(
            [sys.executable, "-c", AT_A_TERMINAL + ask, str(root), script],
            env={**os.environ, "PYTHONPATH": str(REPOSITORY), sandbox.SWITCH: switch},
            stdin=its,
            stderr=said,
            start_new_session=True,
        )
    try:
        yield program
    finally:
        program.kill()
        program.wait()
        os.close(its)
        os.close(ours)


@asked
@switched
def test_a_strangers_program_has_no_terminal_to_type_into(
    make: Make, tmp_path: Path, ask: str, switch: str
) -> None:
    script = "if true < /dev/tty; then echo terminal > found; else echo none > found; fi"
    with at_a_terminal(ask, tmp_path, script, switch) as program:
        assert program.wait(60) == 0, (tmp_path / "said").read_text()
    assert (make.objects / "found").read_text() == "none\n"


@asked
@switched
@pytest.mark.usefixtures("make")
def test_ctrl_c_ends_what_a_strangers_program_started(
    tmp_path: Path, ask: str, switch: str
) -> None:
    nap = f"60.{os.getpid()}{time.monotonic_ns()}"
    command = f"\0{nap}\0"
    with at_a_terminal(ask, tmp_path, f"sleep {nap}; true", switch) as program:
        soon = time.monotonic() + 30
        while not processes_with(command) and time.monotonic() < soon:
            time.sleep(0.02)
        assert program.poll() is None, (tmp_path / "said").read_text()
        os.kill(program.pid, signal.SIGINT)
        assert program.wait(30) == -signal.SIGINT
    while processes_with(command) and time.monotonic() < soon:
        time.sleep(0.02)
    assert processes_with(command) == []


@needs_sandbox
def test_without_a_ccache_none_is_kept(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CCACHE_DISABLE", raising=False)
    (make.source / "Makefile").write_text("all:\n\t@echo disabled: $$CCACHE_DISABLE\n")
    make.run(["all"], jobs=1)
    assert "disabled: true" in make.log.read_text()


@needs_sandbox
def test_this_python_runs_in_it() -> None:
    command = wrap(
        (sys.executable, "-c", "import kconfiglib, os; print(sorted(os.environ))"),
        readable=python_paths(),
        writable=(),
        environ={},
    )
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "TOKEN" not in said


@pytest.mark.parametrize("switch", ["off", pytest.param("on", marks=needs_sandbox)])
def test_a_make_that_is_killed_is_the_hosts_trouble(
    make: Make, monkeypatch: pytest.MonkeyPatch, switch: str
) -> None:
    monkeypatch.setenv(sandbox.SWITCH, switch)
    (make.source / "Makefile").write_text("all:\n\tkill -9 $$PPID\n")
    with pytest.raises(InfrastructureError, match="make for the x86_64 kernel was killed"):
        make.run(["all"], jobs=1)


def test_it_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(sandbox.SWITCH, "off")
    assert why_not() == "$DAXHOUND_SANDBOX is off"
    assert wrap(("make",), readable=(), writable=(), environ={}) == ("make",)


def test_a_host_without_namespaces_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bwrap = tmp_path / "bwrap"
    bwrap.write_text(
        "#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n"
    )
    bwrap.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    reason = why_not()
    assert reason is not None
    assert "cannot create namespaces here: bwrap: No permissions" in reason
    monkeypatch.setenv("PATH", str(tmp_path / "nowhere"))
    why_not.cache_clear()
    assert why_not() == "bwrap is missing: apt-get install --no-install-recommends bubblewrap"
