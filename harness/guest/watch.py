"""What it means that a guest fell silent or went away: the kernel's doing, or the host's.

The console decides first, for a lost connection can race with an oops; then what QEMU
says of the guest; then how QEMU ended. Only what nobody else explains is infrastructure.
"""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from pathlib import Path

from harness.deadline import Deadline
from harness.errors import (
    BootFailure,
    DaxhoundError,
    InfrastructureError,
    KernelFailure,
    KernelReported,
)
from harness.guest.aside import Aside, ask_aside
from harness.guest.console import Console
from harness.machine.process import QemuProcess
from harness.observe.hang import find_places
from harness.observe.registers import awaits_interrupts

_DRAIN_SECONDS = 3.0
_ASIDE_SECONDS = 10.0
_END_SECONDS = 5.0
_ANSWER_SECONDS = 2.0
_TAIL_CHARACTERS = 1500
_REGISTER_CHARACTERS = 3000
_ANSWER_CHARACTERS = 3000
_KNOWN_AGAIN_CHARACTERS = 160

# How QEMU names an end that the guest itself asked for (QAPI ShutdownCause).
_BY_GUEST = {
    "guest-shutdown": "switched itself off",
    "guest-reset": "reset itself",
    "guest-panic": "panicked",
    "subsystem-reset": "reset itself",
}
# Run states that a guest brings about; in all others but "running" it is QEMU or the host
# that does not go on (QAPI RunState).
_STOPPED_BY_GUEST = ("guest-panicked", "shutdown", "suspended", "watchdog")
# Magic SysRq, as consoles take it: after a serial break, or after Ctrl-O (hvc on pseries,
# VT220 on s390x). t: every task, l: backtraces of all CPUs, w: blocked tasks.
_SYSRQ_PREFIXES = (b"", b"\x0f")
_SYSRQ_KEYS = (b"t", b"l", b"w")
_SYSRQ_ANSWER = "sysrq: "
# Before the kernel says so nobody has opened its console, and no key on it interrupts it.
_CONSOLE_OPEN = "Run /init as init process"
# Floating point and vector registers, which say nothing of where a kernel hangs.
_FLOAT_LINE = re.compile(r"(FPR|FPSCR|[XYZ]MM|[FQVZ]\d\d|FP[RS])")


@dataclass(frozen=True, slots=True)
class GuestWatch:
    """The host's view of one guest, for whoever waits for it.

    ``other_line`` is the socket of a shell that no step uses. ``scale`` is how many times as
    long as meant the host may take for an answer.
    """

    console: Console
    process: QemuProcess
    other_line: Path
    scale: float = 1.0

    def check(self) -> None:
        """Raise what the console or a gone QEMU shows; return while all seems well."""
        self.console.check()
        if self.console.ended:
            raise self.explain_end("while a step ran")

    def explain_lost(self, what: str) -> DaxhoundError:
        """The error behind a connection into the guest that broke, as in "ssh: reset"."""
        try:
            self._settle_console()
        except KernelReported as exc:
            return exc
        if self.console.ended:
            return self.explain_end(what)
        state = self._run_state()
        if state == "running":
            return InfrastructureError(f"{what}; the guest runs and its console is clean")
        return self._stopped(what, state, KernelFailure)

    def explain_end(self, what: str, kind: type[KernelFailure] = KernelFailure) -> DaxhoundError:
        """The error behind the end of QEMU; ``kind`` is for an end of the guest's making."""
        try:
            self._settle_console()
        except KernelReported as exc:
            return exc
        causes = [
            str(event.data.get("reason"))
            for event in self.process.qmp.events(self._within(_END_SECONDS))
            if event.name == "SHUTDOWN"
        ]
        status = self.process.exit_status(self._within(_END_SECONDS))
        if status == 0 and causes and causes[-1] in _BY_GUEST:
            did = _BY_GUEST[causes[-1]]
            return kind(f"{what}: the guest {did}, without a report; {self._last_words()}")
        cause = f"shutdown cause {causes[-1]}" if causes else "no shutdown cause given"
        why = f"{self.process.ending(status)}, {cause}"
        return InfrastructureError(f"{what}: QEMU ended: {why} {self.process.stderr()}".strip())

    def explain_silence(
        self, what: str, kind: type[KernelFailure] = KernelFailure
    ) -> DaxhoundError:
        """The error behind a deadline that passed; ``kind`` is for a guest that hangs.

        Asks the guest over its other line, QEMU for the registers and the kernel, by SysRq
        and at last an NMI, for its tasks; what that brings to the console is in the
        console's log.
        """
        try:
            self.console.check()
        except KernelReported as exc:
            return exc
        if self.console.ended:
            return self.explain_end(what, kind)
        state = self._run_state()
        if state != "running":
            return self._stopped(what, state, kind)
        aside = ask_aside(self.other_line, self.console, self._within(_ASIDE_SECONDS))
        try:
            self._settle_console()  # it may have said why only now
        except KernelReported as exc:
            return exc
        if aside.answered and not aside.busy:
            return InfrastructureError(
                f"{what}; but the guest answers on its other line, and nothing that its shell "
                "started still runs: the connection is lost"
            )
        registers = self._monitor("info registers -a")
        last_words = self._last_words()
        asked, stacks = self._ask_kernel()
        if self._lost_interrupts(registers, asked, booting=kind is BootFailure):
            return InfrastructureError(
                f"{what}; every CPU waits for interrupts and takes them, yet none comes, neither "
                f"a timer's nor the console's: QEMU has lost them; {last_words}\n{asked}"
            )
        shown = _without_float(registers)[:_REGISTER_CHARACTERS]
        told = "; ".join(
            (*map(str, find_places(stacks)), f"the guest's other line: {_told(aside)}")
        )
        return kind(f"{what}; {told}; {last_words}\n{asked}\n-- registers --\n{shown}")

    def settle(self) -> None:
        """As ``check``, once the console has said what it still had to say."""
        self.console.drain(self._within(_DRAIN_SECONDS))
        self.check()

    def _within(self, seconds: float) -> Deadline:
        return Deadline.after(seconds * self.scale)

    def _settle_console(self) -> None:
        self.console.drain(self._within(_DRAIN_SECONDS))
        self.console.check()

    def _stopped(self, what: str, state: str, kind: type[KernelFailure]) -> DaxhoundError:
        if state in _STOPPED_BY_GUEST:
            return kind(f"{what}; QEMU's state is {state}; {self._last_words()}")
        return InfrastructureError(f"{what}; QEMU's state is {state}")

    def _run_state(self) -> str:
        try:
            return self.process.qmp.status()
        except InfrastructureError:
            return "unknown"

    def _monitor(self, line: str) -> str:
        try:
            return self.process.qmp.monitor(line, self._within(_ANSWER_SECONDS))
        except InfrastructureError as exc:
            return str(exc)

    def _ask_kernel(self) -> tuple[str, str]:
        """Make the kernel say what it is at; how that went, and the stacks that it showed."""
        before = self.console.tail
        with contextlib.suppress(InfrastructureError):
            for prefix in _SYSRQ_PREFIXES:
                stacks = self._press_sysrq(prefix)
                answer = self._said_since(before)[-_ANSWER_CHARACTERS:]
                if _SYSRQ_ANSWER in answer:  # the console may also just echo the keys
                    return f"the kernel's answer to SysRq:\n{answer}", stacks
            self.process.qmp.inject_nmi()
            self.console.drain(self._within(_DRAIN_SECONDS))
        if answer := self._said_since(before)[-_ANSWER_CHARACTERS:]:
            return f"no answer to SysRq, but to an NMI:\n{answer}", ""
        return "neither SysRq nor an NMI was answered", ""

    def _lost_interrupts(self, registers: str, asked: str, *, booting: bool) -> bool:
        """Whether an idle guest is not even woken by a key on its console.

        Seen of QEMU 10.0 with x86 guests under TCG, on a host with much else to do: one of some
        hundred boots stood still behind the last lines of the kernel's own start.
        """
        reachable = not booting or _CONSOLE_OPEN in self.console.tail
        return reachable and awaits_interrupts(registers) and _SYSRQ_ANSWER not in asked

    def _said_since(self, before: str) -> str:
        _, _, answer = self.console.tail.rpartition(before[-_KNOWN_AGAIN_CHARACTERS:] or "\0")
        return answer.strip()

    def _press_sysrq(self, prefix: bytes) -> str:
        """What the last keys brought, one after the other."""
        stacks = ""
        for key in _SYSRQ_KEYS:
            before = self.console.tail
            if not prefix:
                self.process.qmp.execute("chardev-send-break", {"id": "console"})
            self.console.send(prefix + key)
            # One after the other: s390 has a single work item for every key, and sets it up
            # anew while it is queued (drivers/s390/char/ctrlchar.c, schedule_sysrq_work).
            self.console.drain(self._within(_DRAIN_SECONDS))
            # All of the tasks, which come first, may be more than the console keeps.
            stacks += self._said_since(before) + "\n"
        return stacks

    def _last_words(self) -> str:
        tail = self.console.tail[-_TAIL_CHARACTERS:].strip()
        return f"the console's last lines:\n{tail}" if tail else "the console stayed empty"


def _told(aside: Aside) -> str:
    return "; ".join(aside.busy) if aside.answered else "no answer"


def _without_float(registers: str) -> str:
    return "\n".join(line for line in registers.splitlines() if not _FLOAT_LINE.match(line))
