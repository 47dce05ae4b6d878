"""Package lists of a private apt: read once, then once a day, and kept where nobody answers.

What they said yesterday stands where a mirror is silent today, so that a laptop without a
network runs what it has; whoever uses them is told. Lists that were never read have no stand-in.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness.errors import InfrastructureError
from harness.units import count

MAX_AGE_SECONDS = 24 * 3600
# How long nobody asks a mirror again that did not answer: others wait for each attempt.
SILENT_SECONDS = 3600
# As long as the cells of one run need to say the same of it.
FAILED_SECONDS = 300
# Waits between attempts to read the lists, in seconds: a mirror in the middle of an
# update ("Mirror sync in progress?") is back within a minute.
RETRY_WAITS = (2.0, 10.0, 30.0)

# No later attempt helps. apt counts from the mirror's own "Valid-Until"; what it has no room for it
# leaves out with pages of errors.
_EXPIRED = " is expired "
_NO_ROOM = os.strerror(errno.ENOSPC)

# By lists: when they could not be read at all, and why.
_failed: dict[Path, tuple[float, str]] = {}
_told: set[Path] = set()


@dataclass(frozen=True, slots=True)
class Lists:
    """Lists of ``suites`` in ``root``, whose lock is held while they are looked at.

    ``read`` has apt read them, and raises InfrastructureError.
    """

    root: Path
    suites: tuple[str, ...]
    read: Callable[[], None]
    tell: Callable[[str], None]
    pause: Callable[[float], None]

    @property
    def stamp(self) -> Path:
        """When they were last read."""
        return self.root / "refreshed"

    @property
    def _asked(self) -> Path:
        """When a mirror was last asked in vain."""
        return self.root / "asked"

    def make_ready(self) -> None:
        """Have lists that are young enough, or old ones and say so.

        Raises InfrastructureError where there are none and none can be had.
        """
        if not self.stamp.exists():
            self._read_first()
        elif not _is_within(self.stamp, MAX_AGE_SECONDS):
            self._read_again()

    def _read_first(self) -> None:
        when, why = _failed.get(self.root, (-FAILED_SECONDS, ""))
        if time.monotonic() - when < FAILED_SECONDS:
            raise InfrastructureError(why)
        for wait in (*RETRY_WAITS, None):
            try:
                self.read()
            except InfrastructureError as exc:
                if wait is None or any(words in str(exc) for words in (_EXPIRED, _NO_ROOM)):
                    unreadable = self._unreadable(exc)
                    _failed[self.root] = time.monotonic(), unreadable
                    raise InfrastructureError(unreadable) from exc
                self.pause(wait)
            else:
                break
        self.stamp.touch()

    def _read_again(self) -> None:
        if not (self._asked.exists() and _is_within(self._asked, SILENT_SECONDS)):
            try:
                self.read()
            except InfrastructureError as exc:
                self.tell(self._unreadable(exc))
                self._asked.touch()
            else:
                self.stamp.touch()
                return
        if self.root not in _told:
            _told.add(self.root)
            days = count(int(max(0.0, _age(self.stamp)) // MAX_AGE_SECONDS), "day")
            self.tell(f"what Debian has is taken from lists of {days} ago: {self._named}")

    @property
    def _named(self) -> str:
        return ", ".join(self.suites)

    def _unreadable(self, exc: InfrastructureError) -> str:
        if _NO_ROOM in str(exc):
            return (
                f"no room for Debian's package lists in {self.root}: {_NO_ROOM}"
                "\n  try: daxhound cache prune, or another disk's folder as DAXHOUND_CACHE"
            )
        named = [suite for suite in self.suites if f"/{suite}/" in f"{exc} "]
        remedy = ""
        if _EXPIRED in str(exc):
            remedy = (
                "\n  try: for a mirror that stands still on purpose, such as a snapshot, "
                'Acquire::Check-Valid-Until "false"; in this host\'s apt configuration, '
                "or in a file named by APT_CONFIG"
            )
        suites = ", ".join(named) or self._named
        return f"Debian's package lists of {suites} cannot be read: {exc}{remedy}"


def _is_within(path: Path, seconds: float) -> bool:
    """Whether a file was written so lately; one of the future is of a clock that was set back."""
    return 0 <= _age(path) <= seconds


def _age(path: Path) -> float:
    """Seconds since a file was last written."""
    return time.time() - path.stat().st_mtime
