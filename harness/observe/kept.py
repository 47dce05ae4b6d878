"""The reports of one console in their order: every new one, in bounded memory.

A guest may be shared by many cells, and a console may say hundreds of megabytes. The first
reports tell the most, and the latest may still be added to: those are kept whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from harness.observe.event import Event

_WHOLE = 64  # so many reports are kept whatever they are
_LATEST = 16  # among them those that came last
_FIRST = _WHOLE - _LATEST
_ALL = 1024


class KeptEvents:
    """Events in the order in which they began.

    Where there are many, those that are neither among the first nor the latest are kept
    without the end of their text, and not at all where one before said the same. Where
    there are too many even so, the oldest go, fatal ones last: whoever looks now and then
    has seen them.
    """

    def __init__(self) -> None:
        self._events: list[Event] = []
        self._said: set[tuple[str, ...]] = set()  # by those that are not among the latest

    def __iter__(self) -> Iterator[Event]:
        return iter(self._events)

    @property
    def latest(self) -> list[Event]:
        """The last ones."""
        return self._events[-_LATEST:]

    def append(self, event: Event) -> None:
        """Add the one that began last."""
        self._events.append(event)
        if len(self._events) > _LATEST:
            self._pass(self._events[-_LATEST - 1])

    def end(self, event: Event) -> None:
        """Note that an event has ended, whose turn may have come while it was open."""
        if event not in self.latest:
            self._pass(event)

    def drop(self, unwanted: Callable[[Event], bool]) -> None:
        """Take out all that turned out to be no reports, or told twice."""
        self._events = [event for event in self._events if not unwanted(event)]
        self._said = {event.said for event in self._events if event.said is not None}

    def _pass(self, event: Event) -> None:
        """Judge an event that is no longer among the latest, once it has ended."""
        if not event.ended:
            return
        many = len(self._events) > _WHOLE
        if event.said is None:
            said = event.said = event.all_it_says()
            if many and said in self._said:
                self._events.remove(event)
                return
            self._said.add(said)
        if many:
            event.shorten()
        if len(self._events) > _ALL:
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        passed = [event for event in self._events[_FIRST:-_LATEST] if event.said is not None]
        lesser = [event for event in passed if event.severity != "fatal"]
        oldest = next(iter(lesser or passed), None)
        if oldest is not None:
            self._events.remove(oldest)
            self._said.discard(oldest.said)
