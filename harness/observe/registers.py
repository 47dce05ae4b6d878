"""QEMU's dump of registers (``info registers -a``), as far as it tells who is to blame."""

from __future__ import annotations

import re

# QEMU target/i386/cpu-dump.c, x86_cpu_dump_state; other machines do not say whether they wait.
_X86_STATE = re.compile(r"^RIP=\S+ RFL=(?P<flags>[0-9a-f]+) .* HLT=(?P<halted>[01])$", re.MULTILINE)
_INTERRUPT_FLAG = 0x200


def awaits_interrupts(registers: str) -> bool:
    """Whether every CPU has halted until the next interrupt, and takes those that come.

    That is an idle kernel. False where the dump does not tell.
    """
    states = list(_X86_STATE.finditer(registers))
    return bool(states) and all(
        state["halted"] == "1" and int(state["flags"], 16) & _INTERRUPT_FLAG for state in states
    )
