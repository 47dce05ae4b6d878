"""One guest for many cells: those of one kernel, image and layout, one after the other.

A cell gets a guest that is new, or one that was seen to be as good as new after the cell
before. A guest in which a cell failed, or that keeps anything of a cell, is ended.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.campaign.chunks import guest_bytes
from harness.compare import compare
from harness.errors import InfrastructureError
from harness.guest.boot import BootRequest, Guest, boot
from harness.guest.steps import Housekeeping, StepContext, check_regions, identify_guest
from harness.records import Prediction, StepResult


@dataclass(frozen=True, slots=True)
class Wanted:
    """The guest that a cell needs; any that was booted alike, log and deadline apart, will do.

    ``identity`` is what the guest must show to be what its target says.
    """

    boot: BootRequest
    context: StepContext
    identity: Prediction

    @property
    def key(self) -> BootRequest:
        return replace(self.boot, console_log=Path(), scale=1.0)


@dataclass(slots=True)
class PooledGuest:
    """A living guest: ``identity`` is what it said it is, ``cells`` those it ran before.

    ``housekeeping`` is None in one that was booted for a single cell. ``sound`` is to be
    cleared by whoever saw something fail in it.
    """

    guest: Guest
    context: StepContext
    identity: StepResult
    housekeeping: Housekeeping | None
    end: ExitStack
    cells: list[str] = field(default_factory=list)
    sound: bool = True

    @classmethod
    def boot(cls, wanted: Wanted, *, for_more: bool) -> PooledGuest:
        """A new guest, ``for_more`` than one cell.

        Raises InfrastructureError for one that is not what its target says.
        """
        with ExitStack() as stack:
            guest = stack.enter_context(boot(wanted.boot))
            shown = identify_guest(guest.shell, wanted.context.deadline())
            identity = compare(wanted.identity, shown)
            if identity.mismatches:
                wrong = "; ".join(
                    f"{m.expected.name} is {m.observed!r}, not {m.expected.value!r}"
                    for m in identity.mismatches
                )
                raise InfrastructureError(f"the guest is not {wanted.boot.target.name}: {wrong}")
            if wanted.boot.layout.pmem:
                check_regions(guest.shell, wanted.context)
            housekeeping = (
                Housekeeping(guest.shell, wanted.context.deadline()) if for_more else None
            )
            end = stack.pop_all()
        return cls(guest, wanted.context, identity, housekeeping, end)

    def is_as_new(self) -> bool:
        """Whether nothing failed in it, and nothing of its cells is left.

        What can be taken away is. Raises KernelFailure where the kernel does not survive that.
        """
        rebooted = self.guest.boots > 1  # and not the boot that ``housekeeping`` knows
        if not self.sound or rebooted or self.housekeeping is None:
            return False
        try:
            left = self.housekeeping.tidy(self.context.deadline())
        except InfrastructureError:
            return False
        self.guest.watch.check()
        return left is None


class GuestPool:
    """Guests that wait for their next cell, ``capacity`` at the most; 0 keeps none."""

    def __init__(self, capacity: int = 1) -> None:
        self.capacity = capacity
        self._idle: list[tuple[BootRequest, PooledGuest]] = []  # the longest idle first

    def memory_with(self, size: int) -> int:
        """Bytes that its guests may take while one of ``size`` runs: it, and those that wait on."""
        waiting = sorted(guest_bytes(request.layout) for request, _ in self._idle)
        return size + sum(waiting[max(0, len(waiting) - self.capacity + 1) :])

    def close(self) -> None:
        """End every guest that waits."""
        while self._idle:
            _, pooled = self._idle.pop()
            pooled.end.close()

    @contextmanager
    def lease(self, wanted: Wanted, cell: str, *, fresh: bool, keep: bool) -> Iterator[PooledGuest]:
        """A guest for one cell; with ``keep`` it waits for the next one where it is as new.

        ``fresh`` takes none that ran a cell before. Raises what ``PooledGuest.boot`` and
        ``PooledGuest.is_as_new`` raise.
        """
        keep = keep and self.capacity > 0
        pooled = None if fresh else self._take(wanted)
        if pooled is None:
            self._make_room()
            pooled = PooledGuest.boot(wanted, for_more=keep)
        else:
            pooled.guest.console.log_to(wanted.boot.console_log)
        with pooled.end:
            yield pooled
            pooled.cells.append(cell)
            if keep and pooled.is_as_new():
                self._idle.append((wanted.key, replace(pooled, end=pooled.end.pop_all())))

    def _take(self, wanted: Wanted) -> PooledGuest | None:
        for entry in self._idle:
            if entry[0] == wanted.key:
                self._idle.remove(entry)
                return entry[1]
        return None

    def _make_room(self) -> None:
        while self._idle and len(self._idle) >= self.capacity:
            _, pooled = self._idle.pop(0)
            pooled.end.close()
