"""Real QEMU processes, without a kernel: started, spoken to, and gone however we end.

The firmware of the x86 machine runs for ever with nothing to boot, and writes to the debug
port, which serves as the console here.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.deadline import Deadline
from harness.errors import BootFailure, InfrastructureError
from harness.guest.console import Console
from harness.guest.watch import GuestWatch
from harness.machine.process import QemuProcess, guest_directory

BINARY = "qemu-system-x86_64"
pytestmark = pytest.mark.skipif(shutil.which(BINARY) is None, reason=f"{BINARY} is missing")

BANNER = rb"SeaBIOS \(version [^\n]*"


def make_argv(directory: Path, *more: str) -> tuple[str, ...]:
    sockets = [
        part
        for name in ("qmp", "console")
        for part in ("-chardev", f"socket,id={name},path={directory / name},server=on,wait=off")
    ]
    debug_port = ("-device", "isa-debugcon,iobase=0x402,chardev=console")
    machine = ("-M", "q35", "-accel", "tcg", "-m", "64M", "-nodefaults", "-display", "none")
    monitor = ("-mon", "chardev=qmp,mode=control")
    return (BINARY, *machine, "-S", "-no-reboot", *sockets, *monitor, *debug_port, *more)


def start(directory: Path, *more: str) -> QemuProcess:
    argv = make_argv(directory, *more)
    return QemuProcess(argv, directory / "qmp", directory / "stderr")


@pytest.fixture
def directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with guest_directory() as path:
        yield path


def wait_until(condition: Callable[[], bool], seconds: float = 10.0) -> bool:
    deadline = Deadline.after(seconds)
    while not condition() and not deadline.expired:
        time.sleep(0.02)
    return condition()


def has_ended(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_frozen_start_loses_no_byte_of_the_console(directory: Path, tmp_path: Path) -> None:
    with start(directory) as process:
        assert process.qmp.status() == "prelaunch"
        with Console(directory / "console", tmp_path / "console.log") as console:
            assert console.wait_for(b".", Deadline.after(0.3)) is None
            process.qmp.cont()
            banner = console.wait_for(BANNER, Deadline.after(20))
            assert process.qmp.status() == "running"
    assert banner is not None
    assert (tmp_path / "console.log").read_bytes().startswith(banner)


def test_stop_ends_qemu_and_can_be_repeated(directory: Path) -> None:
    with start(directory) as process:
        pid = process.pid
        process.stop()
        assert not process.alive
        assert process.exit_status(Deadline.after(0)) == 0
    assert pid is not None
    assert has_ended(pid)


def test_stopped_process_that_answers_nothing_is_killed(directory: Path) -> None:
    with start(directory) as process:
        pid = process.pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
    assert process.exit_status(Deadline.after(0)) == -signal.SIGKILL
    assert has_ended(pid)


def test_exception_inside_ends_qemu_and_removes_the_directory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    seen: list[QemuProcess] = []

    def be_interrupted() -> None:
        with guest_directory() as path, start(path) as process:
            seen.append(process)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        be_interrupted()
    assert not seen[0].alive
    assert list(tmp_path.iterdir()) == []


def test_bad_argument_quotes_what_qemu_says(directory: Path) -> None:
    process = start(directory, "-device", "no-such-device")
    with pytest.raises(InfrastructureError, match=r"status 1.*no-such-device"), process:
        pass
    assert not process.alive


def test_missing_binary_is_an_infrastructure_error(directory: Path) -> None:
    process = QemuProcess(("no-such-qemu", "-S"), directory / "qmp", directory / "stderr")
    with pytest.raises(InfrastructureError, match="no-such-qemu"), process:
        pass


def test_one_that_does_not_listen_in_the_time_it_has_is_ended(directory: Path) -> None:
    process = QemuProcess(("sleep", "600"), directory / "qmp", directory / "stderr", scale=0.01)
    with pytest.raises(InfrastructureError, match="hangs before the guest could start"), process:
        pass
    assert not process.alive


def test_refused_command_and_events(directory: Path) -> None:
    with start(directory) as process:
        with pytest.raises(InfrastructureError, match="no-such-command"):
            process.qmp.execute("no-such-command")
        assert process.qmp.memory_devices() == ()
        process.qmp.cont()
        process.qmp.execute("system_reset")
        events = process.qmp.events(Deadline.after(10))
    assert [event.name for event in events if event.name in ("RESUME", "SHUTDOWN")] == [
        "RESUME",
        "SHUTDOWN",
    ]


def test_forwarded_port_is_the_one_qemu_chose(directory: Path) -> None:
    forward = "user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:0-:22"
    with start(directory, "-netdev", forward, "-device", "virtio-net-pci,netdev=net") as process:
        assert 1024 <= process.qmp.ssh_port() <= 65535


def test_killed_qemu_is_not_the_guests_failure(directory: Path, tmp_path: Path) -> None:
    with (
        start(directory) as process,
        Console(directory / "console", tmp_path / "console.log") as console,
    ):
        process.qmp.cont()
        assert console.wait_for(BANNER, Deadline.after(20)) is not None
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        error = GuestWatch(console, process, directory / "aside").explain_end(
            "in a test", BootFailure
        )
    assert isinstance(error, InfrastructureError)
    assert "SIGKILL, sent from outside" in str(error)


def test_hanging_guest_shows_where_it_hangs(directory: Path, tmp_path: Path) -> None:
    with (
        start(directory) as process,
        Console(directory / "console", tmp_path / "console.log") as console,
    ):
        process.qmp.cont()
        assert console.wait_for(BANNER, Deadline.after(20)) is not None
        error = GuestWatch(console, process, directory / "aside").explain_silence(
            "no kernel", BootFailure
        )
    assert isinstance(error, BootFailure)
    assert "SeaBIOS" in str(error)
    assert "RIP=" in str(error) or "EIP=" in str(error)


HARNESS = """
import time
from harness.machine.process import QemuProcess, guest_directory
from harness.machine.termination import orderly_termination
from tests.guest.test_machine import start
from tests.support.processes import heed_signals
heed_signals()
with orderly_termination(), guest_directory() as path, start(path) as process:
    process.qmp.cont()
    print(process.pid, flush=True)
    time.sleep(60)
"""


@pytest.fixture
def running_harness(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A harness of its own with a running guest, whose directories are in ``tmp_path``."""
    root = Path(__file__).resolve().parents[2]
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, "-c", HARNESS],
        cwd=root,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as harness:
        assert harness.stdout is not None
        line = harness.stdout.readline()
        assert line, harness.stderr.read() if harness.stderr else ""
        yield harness, int(line)
        harness.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_signalled_harness_leaves_nothing(
    number: signal.Signals, running_harness: tuple[subprocess.Popen[str], int], tmp_path: Path
) -> None:
    harness, pid = running_harness
    assert not has_ended(pid)
    assert len(list(tmp_path.iterdir())) == 1
    harness.send_signal(number)
    assert harness.wait(10) != 0
    assert wait_until(lambda: has_ended(pid))
    assert list(tmp_path.iterdir()) == []


def test_a_second_signal_does_not_cut_the_end_short(
    running_harness: tuple[subprocess.Popen[str], int], tmp_path: Path
) -> None:
    harness, pid = running_harness
    for number in (signal.SIGINT, signal.SIGINT, signal.SIGTERM):
        harness.send_signal(number)
        time.sleep(0.05)
    _, said = harness.communicate(timeout=10)
    assert "During handling of" not in said, said
    assert said.rstrip().endswith("KeyboardInterrupt"), said
    assert wait_until(lambda: has_ended(pid))
    assert list(tmp_path.iterdir()) == []


def test_killed_harness_takes_qemu_along_and_the_next_run_sweeps(
    running_harness: tuple[subprocess.Popen[str], int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    harness, pid = running_harness
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (left,) = tmp_path.iterdir()
    with guest_directory() as mine:
        assert left.exists(), "a living owner's directory was swept"
        harness.kill()
        harness.wait(10)
        assert wait_until(lambda: has_ended(pid))
        with guest_directory():
            assert not left.exists()
            assert mine.exists()


def test_directory_is_private_and_short_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with guest_directory() as path:
        assert path.stat().st_mode & 0o777 == 0o700
    deep = tmp_path / ("x" * 100)
    deep.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(deep))
    with pytest.raises(InfrastructureError, match="TMPDIR"), guest_directory():
        pass
    assert list(deep.iterdir()) == []
