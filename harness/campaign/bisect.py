"""The first bad patch of a series, with the fewest kernels built.

A patch that cannot be judged, because it does not build or because the host failed, is
stepped over as ``git bisect skip`` does, and is never called bad.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Judgement(StrEnum):
    """What one kernel of a series is."""

    GOOD = "good"
    BAD = "bad"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class Bisection:
    """Positions in a series: 0 is the base, 1 the first patch.

    ``good`` is the last one known to be good and ``bad`` the first known to be bad; where
    they are not neighbours, the ones between could not be judged. ``judged`` is what was
    found, in the order in which it was asked.
    """

    good: int
    bad: int
    judged: tuple[tuple[int, Judgement], ...]

    @property
    def suspects(self) -> tuple[int, ...]:
        """The patches that may have done it: one, unless some could not be judged."""
        return tuple(range(self.good + 1, self.bad + 1))


def bisect(good: int, bad: int, judge: Callable[[int], Judgement]) -> Bisection:
    """Narrow ``good < bad``, both judged already, down to neighbours or to what was skipped.

    Of positions that can still be asked, the one nearest the middle is; no position is
    asked twice. Raises ValueError for ``good >= bad``.
    """
    if good >= bad:
        raise ValueError(f"position {good} is not before {bad}")
    judged: list[tuple[int, Judgement]] = []
    skipped: set[int] = set()
    while candidates := [p for p in range(good + 1, bad) if p not in skipped]:
        middle = (good + bad) / 2
        position = min(candidates, key=lambda p: (abs(p - middle), p))
        found = judge(position)
        judged.append((position, found))
        match found:
            case Judgement.GOOD:
                good = position
            case Judgement.BAD:
                bad = position
            case Judgement.SKIP:
                skipped.add(position)
    return Bisection(good, bad, tuple(judged))
