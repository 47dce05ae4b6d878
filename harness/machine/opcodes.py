"""What TCG cannot run of a kernel, or runs at a cost, is rewritten in a copy of its image.

What is rewritten, and why it is the same, is told where it is done: ``opcodes_ppc64.py`` and
``opcodes_s390x.py``. The source tree under test is never touched, nothing is done under KVM,
and a result says what was done.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from harness.machine.opcodes_ppc64 import BARRIERS_SINCE, rewrite_flushes
from harness.machine.opcodes_s390x import rewrite_returns
from harness.target import OpcodeFixup

Wanted: TypeAlias = Literal["flushes", "flushes-and-barriers", "returns"]
"""What is looked for in an image. Copies are kept under this word: other rules take another."""


@dataclass(frozen=True, slots=True)
class Fixup:
    """How many instructions were rewritten.

    Of ppc64: flushes (dcbfps, dcbstps) and barriers (forms of sync). Of s390x: returns, by way of
    the lowcore, from the kernel to what it interrupted.
    """

    flushes: int = 0
    barriers: int = 0
    returns: int = 0

    @property
    def applied(self) -> bool:
        return self.flushes + self.barriers + self.returns > 0


def wanted_fixup(fixup: OpcodeFixup, emulator: tuple[int, ...]) -> Wanted:
    """What a target's kernel needs on that version of QEMU."""
    if fixup == "s390x":
        return "returns"
    return "flushes" if emulator[:2] >= BARRIERS_SINCE else "flushes-and-barriers"


def fix_opcodes(image: bytes, vmlinux: bytes, wanted: Wanted) -> tuple[bytes, Fixup]:
    """The image that TCG is given, and what was changed in it; pure.

    ``vmlinux`` is the same kernel as an ELF file, which an image need not be. Raises UserError
    for an image that has to be fixed and cannot be read.
    """
    if wanted == "returns":
        fixed, returns = rewrite_returns(image, vmlinux)
        return fixed, Fixup(returns=returns)
    fixed, flushes, barriers = rewrite_flushes(image, barriers=wanted == "flushes-and-barriers")
    return fixed, Fixup(flushes=flushes, barriers=barriers)
