"""A console that says 100 MB: how fast it is read, and what the harness grows by.

    .venv/bin/python -m tests.faults.flood --mib 100

No emulated serial port is that fast, so the other end of the socket is this program.
"""

from __future__ import annotations

import argparse
import random
import resource
import socket
import sys
import tempfile
import threading
import time
from pathlib import Path

from harness.deadline import Deadline
from harness.guest.console import Console

BOUND_KIB = 16 << 10

_PLAIN = b"[   12.345678] a line of no interest to anybody, as long as lines usually are\r\n"
_END = b"the end of it\r\n"
_SECONDS = 1800.0


def flood(mib: int) -> tuple[float, int]:
    """Seconds to read so many MiB, and KiB that the process grew by at its most."""
    with (
        tempfile.TemporaryDirectory(prefix="dx-flood-") as name,
        socket.socket(socket.AF_UNIX) as listener,
    ):
        path = Path(name, "console")
        listener.bind(str(path))
        listener.listen()
        with Console(path, Path(name, "log")) as console:
            guest, _ = listener.accept()
            before = _peak_kib()
            writer = threading.Thread(target=_say, args=(guest, mib << 20))
            started = time.monotonic()
            writer.start()
            found = console.wait_for(_END.strip(), Deadline.after(_SECONDS))
            seconds = time.monotonic() - started
            writer.join()
            guest.close()
        if found is None:
            raise RuntimeError("the end was not seen")
    return seconds, _peak_kib() - before


def _say(guest: socket.socket, total: int) -> None:
    """Lines, noise without a line end, escape sequences."""
    rng = random.Random(1)
    blocks = (_PLAIN * 800, rng.randbytes(64 << 10), b"\x1b[31m\x1b[2J\x08\r" * 6000)
    said = 0
    while said < total:
        block = blocks[0] if rng.random() < 0.9 else rng.choice(blocks)
        guest.sendall(block)
        said += len(block)
    guest.sendall(b"\r\n" + _END)


def _peak_kib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.flood", description=__doc__)
    parser.add_argument("--mib", type=int, default=100)
    options = parser.parse_args()
    seconds, grown = flood(options.mib)
    print(f"{options.mib} MiB in {seconds:.0f} s, {options.mib / seconds:.1f} MiB/s; +{grown} KiB")
    return 0 if grown < BOUND_KIB else 1


if __name__ == "__main__":
    sys.exit(main())
