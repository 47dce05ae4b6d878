"""Orders that are known ahead: provided for here, one after the other, and run by others.

The same face as :class:`harness.campaign.cell.CellRunner`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path

from harness.campaign.attempt import RunOptions
from harness.campaign.cell import CellRunner, unbuilt
from harness.campaign.chunks import cut
from harness.campaign.order import Order
from harness.campaign.outcomes import Outcome, Outcomes
from harness.campaign.pool import GuestPool
from harness.campaign.provide import Needs, Provider, Provisions
from harness.errors import InfrastructureError, KernelFailure
from harness.records import CellResult, Verdict

_LOOK_SECONDS = 0.5


class PlannedRunner(ABC):
    """``plan`` says ahead what will be asked for; ``tell`` is how a person hears of waits."""

    def __init__(
        self,
        provider: Provider,
        options: RunOptions,
        run_directory: Path,
        outcomes: Outcomes,
        tell: Callable[[str], None],
    ) -> None:
        self.provider = provider
        self.options = options
        self.run_directory = run_directory
        self.outcomes = outcomes
        self._tell = tell
        self._planned: deque[tuple[Order, ...]] = deque()
        self._known: set[str] = set()

    @abstractmethod
    def describe(self) -> str:
        """Who runs them, in a few words."""

    @abstractmethod
    def close(self) -> None:
        """End what runs."""

    @abstractmethod
    def _guests(self) -> int:
        """How many guests there can be at once."""

    @abstractmethod
    def _is_hungry(self) -> bool:
        """Whether there should be more to run than was sent so far."""

    @abstractmethod
    def _send(self, orders: tuple[Order, ...], provisions: Provisions) -> None:
        """Have the orders run, which one guest can run."""

    def plan(self, orders: Iterable[Order]) -> None:
        """Orders that will be run, in the order in which they will be asked for."""
        guests = (order for order in orders if order.cell.needs_guest)
        new = {order.id: order for order in guests if order.id not in self._known}
        self._known |= set(new)
        if new:
            self._planned.extend(cut(tuple(new.values()), self._guests()))

    def run(self, order: Order) -> CellResult:
        """The cell's result, awaited; here for one without a guest, which takes seconds.

        Raises what ``CellRunner.run`` raises.
        """
        if not order.cell.needs_guest:
            here = CellRunner(self.provider, self.options, self.run_directory, GuestPool(0))
            return here.run(order)
        self.plan([order])
        while True:
            sends = bool(self._planned) and self._is_hungry()
            outcome = self.outcomes.wait(order.id, 0 if sends else _LOOK_SECONDS)
            for notice in self.outcomes.notices():
                self._tell(notice)
            if outcome is not None:
                return self._result(order, outcome)
            if sends:
                self._provide(self._planned.popleft())

    def _provide(self, orders: tuple[Order, ...]) -> None:
        """Build or find what a chunk boots from, and send it off."""
        needs = Needs.of(orders[0].cell, orders[0].patches)
        try:
            self._send(orders, self._provisions(needs))
        except InfrastructureError as exc:
            self._not_built(orders, Verdict.INFRASTRUCTURE, exc)
        except KernelFailure as exc:
            self._not_built(orders, Verdict.KERNEL_FAILURE, exc)
        except Exception as exc:  # bad input, or a bug: raised for each that waits
            for order in orders:
                self.outcomes.settle(order.id, exc)

    def _provisions(self, needs: Needs) -> Provisions:
        """The host's trouble is tried once more, as in ``CellRunner``."""
        try:
            return self.provider.provide(needs)
        except InfrastructureError as exc:
            self._tell(f"{needs.target.name}: tried again: {exc}")
            return self.provider.provide(needs)

    def _not_built(self, orders: Iterable[Order], verdict: Verdict, why: Exception) -> None:
        for order in orders:
            result = unbuilt(order, self.provider.kernel_name, verdict, str(why))
            self.outcomes.settle(order.id, result)

    def _result(self, order: Order, outcome: Outcome) -> CellResult:
        if isinstance(outcome, CellResult):
            return outcome
        if not isinstance(outcome, InfrastructureError):
            raise outcome
        kernel = self.provider.kernel_name
        return unbuilt(order, kernel, Verdict.INFRASTRUCTURE, str(outcome), phase="worker")
