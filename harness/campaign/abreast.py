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
        return guest_bytes(self.orders[0].cell)


@dataclass(slots=True)
class _Room:
    """Memory of the host that guests may take, and what each thread's takes of it; bytes."""

    available: int
    taken: dict[int, int] = field(default_factory=dict)

    def has(self, wanted: int) -> bool:
        """Whether this thread may have a guest of that size; one guest alone always may."""
        others = sum(self.taken.values()) - self.taken.get(threading.get_ident(), 0)
        return not others or others + wanted <= self.available

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
        with self._changed:
            if not self._changed.wait_for(self._has_news, _IDLE_SECONDS):
                self._end_idle(pool)
                self._changed.wait_for(self._has_news)
            if self._stopped:
                spare()
                return None
            chunk = next(chunk for chunk in self._waiting if self._room.has(chunk.memory))
            self._waiting.remove(chunk)
            self._room.take(chunk.memory)
            return chunk

    def _end_idle(self, pool: GuestPool) -> None:
        try:
            pool.close()
        except InfrastructureError as exc:
            self.outcomes.notice(f"a guest that no cell came for did not end well: {exc}")
        self._room.take(0)
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
