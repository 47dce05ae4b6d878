"""Steps about files of a file system, by the calls that every program makes.

Like those in ``steps.py``, which lists them among all others.
"""

from __future__ import annotations

from typing import ClassVar

from harness.scenario.step import Index, PositiveSize, Step


class FileIo(Step):
    """Make files beside the region's DAX file, and look where they end and what is in them.

    Each is removed again. ``size`` is bytes, of one of which nothing was written, and of another
    of which the first page was; a process reads so much at once.

    Shows ``outcome`` (``done``, ``refused`` with ``errno``, or ``no-device``), ``sparse_bytes``
    and ``tail_bytes`` (what read() gives of these two, asked for a megabyte more),
    ``stale_bytes`` (of a full file of 64
    pages every other one was made a hole, in which then one byte was written: those beside it
    that are not zero) and ``modified`` (whether a store through a shared mapping, and msync(),
    move the times of modification and change).
    """

    kind: ClassVar[str] = "file-io"
    STALE_PAGES: ClassVar[int] = 64
    # What read() is asked for beyond the end.
    BEHIND: ClassVar[int] = 1 << 20
    region: Index = 0
    size: PositiveSize = 100_000


FILE_STEPS: tuple[type[Step], ...] = (FileIo,)
