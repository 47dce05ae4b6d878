"""Several guests at once: threads of this process, each with one guest after the other.

A guest takes a core, what drives it next to nothing, so that one interpreter does for all.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness.campaign.attempt import RunOptions
from harness.campaign.chunks import guest_bytes, guest_of
from harness.campaign.order import Order, Runner
from harness.campaign.outcomes import Outcome, Outcomes
from harness.campaign.planned import PlannedRunner
from harness.campaign.pool import GuestPool
from harness.campaign.provide import Given, Provider, Provides, Provisions
from harness.deadline import NoLongerWanted, give_up, spare
from harness.errors import InfrastructureError
from harness.store import Store
from harness.units import count

# A guest that no cell came for in so long is not kept any more.
_IDLE_SECONDS = 2.0
# Longer than every guest takes to end.
_UNWINDING_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Chunk:
    """Orders that one guest can run, and what it boots from."""

    orders: tuple[Order, ...]
    provides: Provides

    @property
    def guest(self) -> Hashable:
        return guest_of(self.orders[0])

    @property
    def memory(self) -> int:
        return guest_bytes(self.orders[0].cell.layout)


@dataclass(slots=True)
class _Room:
    """Memory of the host that guests may take, and what those of each thread take; bytes."""

    available: int
    taken: dict[int, int] = field(default_factory=dict)

    @property
    def own(self) -> int:
        """What this thread's guests take."""
        return self.taken.get(threading.get_ident(), 0)

    def has(self, wanted: int) -> bool:
        """Whether this thread may have a guest of that size; one guest alone always may."""
        return self.fits(wanted) or not self._others

    def fits(self, wanted: int) -> bool:
        """Whether so much for this thread's guests is no more than there is."""
        return self._others + wanted <= self.available

    @property
    def _others(self) -> int:
        return sum(self.taken.values()) - self.own

    def take(self, size: int) -> None:
        self.taken[threading.get_ident()] = size


class AbreastRunner(PlannedRunner):
    """Runs orders in ``guests`` guests at once, as far as ``memory`` allows, in bytes.

    Each thread keeps ``kept`` guests between two cells. ``runner_of`` makes its runner, of a
    chunk's provisions and of those guests.
    """

    def __init__(
        self,
        provider: Provider,
        options: RunOptions,
        run_directory: Path,
        runner_of: Callable[[Provides, GuestPool], Runner],
        *,
        guests: int,
        memory: int,
        kept: int,
    ) -> None:
        super().__init__(provider, options, run_directory, Outcomes(), provider.progress.line)
        self._runner_of = runner_of
        self._kept = kept
        self._changed = threading.Condition()
        self._room = _Room(memory)
        self._waiting: list[Chunk] = []
        self._stopped = False
        self._threads = [
            threading.Thread(target=self._work, name=f"guest-{number}", daemon=True)
            for number in range(guests)
        ]
        for thread in self._threads:
            thread.start()

    def describe(self) -> str:
        return f"{count(len(self._threads), 'guest')} at once"

    def close(self) -> None:
        """End every guest, whatever it is at."""
        with self._changed:
            self._stopped = True
            for thread in self._threads:
                give_up(thread)
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(_UNWINDING_SECONDS)
        self.outcomes.lose(InfrastructureError("the run has ended"))

    def _guests(self) -> int:
        return len(self._threads)

    def _is_hungry(self) -> bool:
        """A chunk a thread is to wait: what a build takes meanwhile is not missed at once."""
        return len(self._waiting) < len(self._threads)

    def _send(self, orders: tuple[Order, ...], provisions: Provisions) -> None:
        # What a thread has to say is said by the one that has the terminal.
        store = Store(self.provider.store.root, self.outcomes.notice)
        given = Given(store, self.provider.kernel_name, provisions)
        with self._changed:
            self._waiting.append(Chunk(orders, given))
            self._changed.notify_all()

    def _work(self) -> None:
        """A thread: chunk after chunk, as long as they come."""
        try:
            with closing(GuestPool(self._kept)) as pool:
                while (chunk := self._next(pool)) is not None:
                    self._run(chunk, self._runner_of(chunk.provides, pool))
        except NoLongerWanted:
            pass
        except Exception as exc:  # none of a cell's, which is its own
            self.outcomes.lose(exc)

    def _next(self, pool: GuestPool) -> Chunk | None:
        """The chunk that has waited longest of those that there is room for; None at the end."""
        chunk = self._take(pool, _IDLE_SECONDS)
        if chunk is None and not self._stopped:
            self._end_idle(pool)
            chunk = self._take(pool, None)
        if chunk is None:
            spare()
        elif pool.memory_with(chunk.memory) > self._room.own:
            self._end_idle(pool, chunk.memory)
        return chunk

    def _take(self, pool: GuestPool, seconds: float | None) -> Chunk | None:
        """As ``_next``, and None where none comes in so many seconds."""
        with self._changed:
            if not self._changed.wait_for(self._has_news, seconds) or self._stopped:
                return None
            chunk = next(chunk for chunk in self._waiting if self._room.has(chunk.memory))
            self._waiting.remove(chunk)
            memory = pool.memory_with(chunk.memory)
            self._room.take(memory if self._room.fits(memory) else chunk.memory)
            return chunk

    def _end_idle(self, pool: GuestPool, still_taken: int = 0) -> None:
        """End the guests that wait, which may take seconds; what is then still taken is told."""
        try:
            pool.close()
        except InfrastructureError as exc:
            self.outcomes.notice(f"a guest that no cell came for did not end well: {exc}")
        with self._changed:
            self._room.take(still_taken)
            self._changed.notify_all()

    def _has_news(self) -> bool:
        return self._stopped or any(self._room.has(chunk.memory) for chunk in self._waiting)

    def _run(self, chunk: Chunk, runner: Runner) -> None:
        for order in chunk.orders:
            last = order is chunk.orders[-1]
            followed = not last or self._is_waited_for(chunk.guest)
            self.outcomes.settle(order.id, _outcome(runner, replace(order, followed=followed)))

    def _is_waited_for(self, guest: Hashable) -> bool:
        with self._changed:
            return any(chunk.guest == guest for chunk in self._waiting)


def _outcome(runner: Runner, order: Order) -> Outcome:
    """What a cell comes to, a failure of the harness itself included."""
    try:
        return runner.run(order)
    except Exception as exc:
        return exc
