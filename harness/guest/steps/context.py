"""What every step is told besides itself."""

from __future__ import annotations

from dataclasses import dataclass

from harness.deadline import Deadline
from harness.guest.protocols import Power
from harness.target import Target


@dataclass(frozen=True, slots=True)
class StepContext:
    """The guest's target, its base page in bytes, how long one step may take, its switch.

    ``foll_longterm`` is the kernel's FOLL_LONGTERM, for the ioctls that take flags as they are.
    """

    target: Target
    page_size: int
    step_deadline_seconds: float
    power: Power | None = None
    foll_longterm: int = 1 << 8

    def deadline(self, rounds: int = 1) -> Deadline:
        """The moment at which a step of so many rounds that starts now has hung."""
        return Deadline.after(self.step_deadline_seconds * rounds)
