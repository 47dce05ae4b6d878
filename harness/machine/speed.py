"""How much slower than meant this host is just now, so that deadlines are not about it.

Deadlines are written for one guest under TCG on an idle host of the year 2020. A slow or
busy host gets more time, by a factor that is measured; ``--patience`` multiplies it.
"""

from __future__ import annotations

import hashlib
import os
import time

_SAMPLE = bytes(1 << 20)
_SAMPLES = 3
# SHA-256 without instructions of its own, on a core that nobody shares: some 250 MB/s.
_SAMPLE_SECONDS = 0.004
_MOST = 4.0


def slowness() -> float:
    """1.0 for a host as meant or better, 4.0 at the most; takes some 10 ms.

    The longer of: a fixed piece of work against what it should take, in which a core that
    is shared shows; and the processes that want to run, for each core.
    """
    started = time.monotonic()
    for _ in range(_SAMPLES):
        hashlib.sha256(_SAMPLE).digest()
    work = (time.monotonic() - started) / (_SAMPLES * _SAMPLE_SECONDS)
    return bounded(max(work, _waiting()))


def bounded(factor: float) -> float:
    """A factor that no mismeasurement makes absurd."""
    return round(min(_MOST, max(1.0, factor)), 2)


def _waiting() -> float:
    try:
        return os.getloadavg()[0] / (os.cpu_count() or 1)
    except OSError:
        return 1.0
