"""Steps about the order of life: power that goes, devices and rights that go while in use.

Like those in ``steps.py``, which lists them among all others.
"""

from __future__ import annotations

from typing import ClassVar, Literal, TypeAlias

from harness.scenario.step import Index, PositiveSize, Step

LabelPart: TypeAlias = Literal["index-0", "index-1", "first-half", "second-half"]


class PowerCycle(Step):
    """Cut the guest's power, without a word to it, and boot it again on the same devices.

    ``damage`` is the part of the label area of ``region`` that is overwritten while the guest
    is off: one of its two index blocks, or one half of it all.

    Shows ``regions`` (their number) and for each ``region<i>.namespaces`` (their number),
    ``region<i>.available_bytes``, ``region<i>.broken_index_blocks`` (those in whose place the
    kernel finds none: their numbers, spaces between) and for each namespace, by ascending
    address from 0, what ``create-namespace`` shows of one that is created, as
    ``region<i>.<n>.mode`` and so on; ``memmap_pages``, the struct pages that were initialised
    for each, as numbers in ascending order, spaces between.
    """

    kind: ClassVar[str] = "power-cycle"
    damage: LabelPart | None = None
    region: Index = 0

    @property
    def boot_arguments(self) -> tuple[str, ...]:
        """Debug messages of the boot itself: nobody could ask for them later."""
        return ('dyndbg="func memmap_init_zone_device +p; func __nd_label_validate +p"',)


class TakeAway(Step):
    """Take memory away from a process that uses it, and see who waits for whom.

    ``via`` is ``disable`` (``ndctl disable-namespace``, of the region's only one) or
    ``truncate`` (of the DAX file, to nothing). To a ``block`` device the process writes ``size``
    bytes again and again, past caches, until that fails. Of others it has so many mapped, and
    has written to them. With ``hold`` it has a reference to the first page as well, as DMA has,
    by vmsplice() into a pipe, and gives it up once whoever takes the memory away has ended,
    or is seen to wait. Then it reads its first page again. Afterwards the namespace is
    enabled, or the file is as large as before.

    Shows ``outcome`` (``taken``, ``refused`` with ``errno`` and ``message``, ``mmap-refused``
    with ``errno``, or ``no-device``); of a block device ``write_failed`` (at last); of others
    ``held_pages``, ``waited`` (whether the one who takes away was seen to wait for pages to be
    given up), ``signal`` and ``code`` of the access afterwards (None where the memory is still
    there); and ``restored_bytes``, the device's or the file's size at last.
    """

    kind: ClassVar[str] = "take-away"
    memory: Literal["block", "devdax", "fsdax"]
    via: Literal["disable", "truncate"] = "disable"
    hold: bool = False
    size: PositiveSize = 16 << 20
    region: Index = 0


class ReadOnly(Step):
    """Make a region read-only, then writable again, and see whether its block device follows.

    It is told by the region's ``read_only`` in sysfs. Each time the first 4K of the block device
    that was made last in it are written back as they were; it has no mounted file system
    meanwhile. A region without a block device is turned all the same.

    Shows ``set.region`` (what its ``read_only`` is once it was set), ``set.disk`` (``ro`` of the
    block device), ``set.written`` (whether the write succeeded), where it did not
    ``set.errno``, and after that was taken back ``cleared.region`` and so on.
    """

    kind: ClassVar[str] = "read-only"
    region: Index = 0


LIFE_STEPS: tuple[type[Step], ...] = (PowerCycle, TakeAway, ReadOnly)
