"""The console on a socket whose other end the test writes to."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.deadline import Deadline
from harness.errors import InfrastructureError, KernelReported
from harness.guest.console import Console

FULL = Path("/dev/full")
PANIC = b"[    1.5] Kernel panic - not syncing: test\r\n"
PANIC_END = b"[    1.6] ---[ end Kernel panic - not syncing: test ]---\r\n"


class Machine:
    """The guest's end of the console."""

    def __init__(self, path: Path) -> None:
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._connection: socket.socket | None = None

    @property
    def connection(self) -> socket.socket:
        if self._connection is None:
            self._connection, _ = self._listener.accept()
        return self._connection

    def say(self, data: bytes) -> None:
        self.connection.sendall(data)

    def end(self) -> None:
        self.connection.close()
        self._listener.close()


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    machine = Machine(tmp_path / "console.sock")
    yield machine
    machine.end()


@pytest.fixture
def console(machine: Machine, tmp_path: Path) -> Iterator[Console]:
    with Console(tmp_path / "console.sock", tmp_path / "console.log") as console:
        assert machine.connection
        yield console


def soon() -> Deadline:
    """Seconds that nothing here takes, but for a host that does much else."""
    return Deadline.after(60)


def test_text_that_comes_in_pieces_is_found_and_every_byte_logged(
    machine: Machine, console: Console, tmp_path: Path
) -> None:
    machine.say(b"[    0.1] boo\xff\x00\r\nuser: rea")
    assert console.wait_for(rb"user: ready", Deadline.after(0.1)) is None
    machine.say(b"dy\r\nmore")
    assert console.wait_for(rb"user: \w+(?=\r)", soon()) == b"user: ready"
    console.pump()
    assert (tmp_path / "console.log").read_bytes() == (
        b"[    0.1] boo\xff\x00\r\nuser: ready\r\nmore"
    )


def test_what_was_pumped_can_still_be_waited_for_but_only_once(
    machine: Machine, console: Console
) -> None:
    machine.say(b"one\r\ntwo\r\n")
    time.sleep(0.05)
    console.pump()
    assert console.wait_for(b"one", soon()) == b"one"
    assert console.wait_for(b"two", soon()) == b"two"
    assert console.wait_for(b"one", Deadline.after(0.05)) is None


def test_pattern_is_found_in_the_middle_of_a_flood(
    machine: Machine, console: Console, tmp_path: Path
) -> None:
    line = b"[    0.1] a line of no interest\r\n"
    flood = line * 20000 + b"the needle\r\n" + line * 20000
    writer = threading.Thread(target=machine.say, args=(flood,))
    writer.start()
    assert console.wait_for(b"needle", soon()) == b"needle"
    while writer.is_alive():
        console.pump()
    console.pump()
    assert (tmp_path / "console.log").stat().st_size == len(flood)


def test_report_is_raised_when_it_has_ended(machine: Machine, console: Console) -> None:
    def report() -> None:
        machine.say(PANIC)
        time.sleep(0.3)
        machine.say(PANIC_END)

    writer = threading.Thread(target=report)
    writer.start()
    with pytest.raises(KernelReported, match="kernel panic: test") as caught:
        console.wait_for(b"never", soon())
    writer.join()
    assert len(caught.value.reports) == 1


def test_report_without_an_end_is_raised_after_a_silence(
    machine: Machine, console: Console
) -> None:
    machine.say(PANIC)
    started = time.monotonic()
    with pytest.raises(KernelReported):
        console.wait_for(b"never", Deadline.after(30))
    assert time.monotonic() - started < 5


def test_report_beside_the_text_waited_for_wins(machine: Machine, console: Console) -> None:
    machine.say(b"user: ready\r\n" + PANIC + PANIC_END)
    with pytest.raises(KernelReported):
        console.wait_for(b"user: ready", soon())


def test_end_of_the_console_is_no_error_but_closes_a_report(
    machine: Machine, console: Console
) -> None:
    machine.say(b"some text\r\n")
    assert console.wait_for(b"text", soon()) == b"text"
    machine.say(PANIC)
    machine.end()
    with pytest.raises(KernelReported):
        console.wait_for(b"never", soon())
    assert console.ended


def test_end_without_a_report_returns_at_once(machine: Machine, console: Console) -> None:
    machine.say(b"last words")
    machine.end()
    started = time.monotonic()
    assert console.wait_for(b"never", Deadline.after(30)) is None
    assert time.monotonic() - started < 5
    assert console.ended
    assert console.tail == "last words"
    console.check()


def test_quiet_console_passes_the_check_at_once(machine: Machine, console: Console) -> None:
    machine.say(b"all is well\r\n")
    started = time.monotonic()
    console.check()
    assert time.monotonic() - started < 0.5


def test_no_console_is_an_infrastructure_error(tmp_path: Path) -> None:
    with pytest.raises(InfrastructureError, match="console"):
        Console(tmp_path / "nothing", tmp_path / "console.log")


def test_a_report_is_found_in_the_log_that_it_is_in(
    machine: Machine, console: Console, tmp_path: Path
) -> None:
    machine.say(b"[    1.0] one\r\n[    1.1] two\r\n[    1.2] thr")
    assert console.wait_for(b"thr", soon())
    second = tmp_path / "second.log"
    console.log_to(second)
    machine.say(b"ee\r\n" + PANIC + PANIC_END)
    with pytest.raises(KernelReported) as caught:
        console.wait_for(b"never", soon())
    (report,) = caught.value.reports
    lines = second.read_bytes().splitlines()
    assert (report.first_line, report.last_line) == (2, 3)
    assert lines[report.first_line - 1] == PANIC.strip()


def test_a_report_is_found_behind_what_a_guest_before_said(
    machine: Machine, tmp_path: Path
) -> None:
    """As where KVM was tried, whose guest did not come up."""
    log = tmp_path / "console.log"
    log.write_bytes(b"[    0.1] one\r\n[    0.2] two\r\n")
    with Console(tmp_path / "console.sock", log) as second:
        machine.say(PANIC + PANIC_END)
        with pytest.raises(KernelReported) as caught:
            second.wait_for(b"never", soon())
    (report,) = caught.value.reports
    assert log.read_bytes().splitlines()[report.first_line - 1] == PANIC.strip()


def test_a_pump_ends_though_the_guest_never_does(machine: Machine, console: Console) -> None:
    stop = threading.Event()

    def flood() -> None:
        while not stop.is_set():
            with contextlib.suppress(OSError):
                machine.say(b"[    0.1] a line of no interest\r\n" * 2000)

    writer = threading.Thread(target=flood, daemon=True)
    writer.start()
    started = time.monotonic()
    console.pump()
    console.check()
    assert time.monotonic() - started < 20
    stop.set()
    while writer.is_alive():
        console.pump()


def test_a_full_disk_is_not_the_guests_doing(machine: Machine, tmp_path: Path) -> None:
    with Console(tmp_path / "console.sock", FULL) as console:
        machine.say(PANIC)
        with pytest.raises(InfrastructureError, match="cannot be written down"):
            console.wait_for(b"never", soon())


def test_a_full_disk_takes_no_report_away(machine: Machine, tmp_path: Path) -> None:
    """What the guest still says while it is ended finds no room, and changes nothing."""

    def be_ended() -> None:
        with Console(tmp_path / "console.sock", FULL):
            machine.say(b"last words\r\n")
            raise KernelReported(())

    with pytest.raises(KernelReported):
        be_ended()


def test_a_full_disk_is_told_of_when_the_power_was_cut(machine: Machine, tmp_path: Path) -> None:
    with Console(tmp_path / "console.sock", tmp_path / "console.log") as before:
        machine.say(b"no end of a line")
        before.drain(soon())
    (tmp_path / "console.log").unlink()
    (tmp_path / "console.log").symlink_to(FULL)
    with pytest.raises(InfrastructureError, match="cannot be written down"):
        before.next_boot(tmp_path / "console.sock")


def test_a_log_that_cannot_be_made_leaves_the_one_before(
    machine: Machine, console: Console, tmp_path: Path
) -> None:
    with pytest.raises(InfrastructureError, match="cannot be written down"):
        console.log_to(tmp_path / "nowhere" / "console.log")
    machine.say(b"late\r\n")
    console.drain(soon())
    assert (tmp_path / "console.log").read_bytes() == b"late\r\n"


@pytest.mark.parametrize("floods", [False, True])
def test_a_clock_of_the_host_that_is_set_back_is_not_waited_for(
    machine: Machine, console: Console, monkeypatch: pytest.MonkeyPatch, floods: bool
) -> None:
    """pexpect goes by the time of day."""
    day = SetBack()
    monkeypatch.setattr("pexpect.expect.time", day)
    stop = threading.Event()

    def say() -> None:
        stop.wait(0.1)
        day.behind = 600.0
        machine.say(b"x")
        while floods and not stop.is_set():
            with contextlib.suppress(OSError):
                machine.say(b"a line of no interest\r\n" * 20)

    writer = threading.Thread(target=say, daemon=True)
    writer.start()
    started = time.monotonic()
    assert console.wait_for(b"never", Deadline.after(0.5)) is None
    assert time.monotonic() - started < 30
    stop.set()
    while writer.is_alive():
        console.pump()


class SetBack:
    """The module ``time``, of a host whose clock is set back meanwhile."""

    sleep = staticmethod(time.sleep)

    def __init__(self) -> None:
        self.behind = 0.0

    def time(self) -> float:
        return time.time() - self.behind
