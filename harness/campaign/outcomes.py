"""What cells came to, told by whoever runs them and awaited by whoever asked."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeAlias

from harness.records import CellResult

# An exception that is not the host's trouble is raised where the cell is waited for.
Outcome: TypeAlias = CellResult | Exception


def _nothing(_result: CellResult) -> None:
    """Nobody listens."""


class Outcomes:
    """Outcomes by the ids of orders, and words for a person; safe between threads.

    ``heard`` is called with each result before anybody is told of it, by whoever brings it.
    """

    def __init__(self) -> None:
        self.heard: Callable[[CellResult], None] = _nothing
        self._changed = threading.Condition()
        self._known: dict[str, Outcome] = {}
        self._notices: dict[str, bool] = {}  # and whether each was heard
        self._lost: Exception | None = None

    def settle(self, order_id: str, outcome: Outcome) -> None:
        """What a cell came to; the first word counts."""
        if isinstance(outcome, CellResult) and not self.has(order_id):
            self.heard(outcome)
        with self._changed:
            self._known.setdefault(order_id, outcome)
            self._changed.notify_all()

    def lose(self, why: Exception) -> None:
        """What every cell comes to that has come to nothing yet."""
        with self._changed:
            self._lost = why
            self._changed.notify_all()

    def has(self, order_id: str) -> bool:
        """Whether a cell has come to anything."""
        return order_id in self._known

    def wait(self, order_id: str, seconds: float) -> Outcome | None:
        """What a cell came to, awaited for so long; None where it is not known yet."""
        with self._changed:
            self._changed.wait_for(
                lambda: order_id in self._known or self._lost is not None, seconds
            )
            return self._known.get(order_id, self._lost)

    def notice(self, text: str) -> None:
        """Something that a person should hear."""
        with self._changed:
            self._notices.setdefault(text, False)

    def notices(self) -> list[str]:
        """What a person should hear, each once."""
        with self._changed:
            new = [text for text, heard in self._notices.items() if not heard]
            self._notices.update(dict.fromkeys(new, True))
            return new
