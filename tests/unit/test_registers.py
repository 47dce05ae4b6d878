"""An idle guest that nothing wakes any more is QEMU's doing, not the kernel's."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from harness.errors import BootFailure, InfrastructureError, KernelFailure, KernelReported
from harness.guest import watch
from harness.guest.aside import Aside
from harness.guest.watch import GuestWatch
from harness.observe.registers import awaits_interrupts

# Of a guest that stood still so: recorded by the harness itself.
IDLE = (Path(__file__).parents[1] / "data/registers/x86_64-idle.txt").read_text(encoding="utf-8")
PAST_INIT = "[    1.192039] Run /init as init process\n"


def test_an_idle_guest_is_known() -> None:
    assert awaits_interrupts(IDLE)


@pytest.mark.parametrize(
    ("before", "after"),
    [("HLT=1", "HLT=0"), ("RFL=00000246", "RFL=00000046"), ("RIP=", "NIP=")],
    ids=["running", "interrupts off", "another machine"],
)
def test_a_guest_with_one_other_cpu_is_not_idle(before: str, after: str) -> None:
    dump = IDLE.replace(before, after) if before == "RIP=" else IDLE.replace(before, after, 1)
    assert not awaits_interrupts(dump)


class Silent:
    """Console and QEMU of a guest that cannot be had at will; ``answer`` is that to SysRq."""

    ended = False

    def __init__(self, tail: str, answer: str = "") -> None:
        self.tail, self.answer, self.qmp = tail, answer, self

    def status(self) -> str:
        return "running"

    def monitor(self, line: str, deadline: object) -> str:
        del line, deadline
        return IDLE

    def execute(self, *_: object) -> None:
        self.tail += self.answer

    def check(self, *_: object) -> None:
        pass

    drain = send = inject_nmi = check


def explained(guest: Silent, kind: type[KernelFailure]) -> Exception:
    host = GuestWatch(cast(Any, guest), cast(Any, guest), Path("/nonexistent"))
    return host.explain_silence("silence", kind)


@pytest.mark.parametrize(
    ("guest", "kind", "error"),
    [
        (Silent(PAST_INIT), BootFailure, InfrastructureError),
        (Silent("a command's output"), KernelFailure, InfrastructureError),
        (Silent("[    0.5] PCI: probing\n"), BootFailure, BootFailure),
        (Silent(PAST_INIT, "sysrq: Show Blocked State\n"), BootFailure, BootFailure),
    ],
    ids=["booted", "in a step", "before its console is open", "awake"],
)
def test_who_is_to_blame(guest: Silent, kind: type[KernelFailure], error: type[Exception]) -> None:
    assert type(explained(guest, kind)) is error


def test_what_the_kernel_says_while_it_is_asked_goes_before_a_lost_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    guest = Silent("a command's output")
    late = KernelReported(())

    def ask(*_: object) -> Aside:
        def check() -> None:
            raise late

        monkeypatch.setattr(guest, "check", check)
        return Aside(answered=True)

    monkeypatch.setattr(watch, "ask_aside", ask)
    assert explained(guest, KernelFailure) is late
