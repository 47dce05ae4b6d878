"""What of a verdict's reason is the same whenever the same thing happens."""

from __future__ import annotations

import re

_SECONDS = re.compile(r", for [\d.]+ s$")


def lasting_reason(reason: str) -> str:
    """A reason without what its guest was asked, said last or took: the words of each hang differ.

    What follows the first semicolon is that, and the lines after the first (guest/watch.py).
    """
    first, *_ = reason.splitlines() or [""]
    return _SECONDS.sub("", first.partition(";")[0])
