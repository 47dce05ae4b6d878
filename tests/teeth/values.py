"""Mistakes about single values: what a rule says, said otherwise.

For rules whose arithmetic is one line, or none: a model that has the word, the number or the
bound wrong. Mistakes of a calculation are in ``variants.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeAlias
from unittest import mock

from harness.model import Model
from harness.records import Expected, Prediction, Scalar
from harness.scenario.steps import Step

MIB = 1 << 20

Change: TypeAlias = Callable[[Expected], Expected]


@dataclass(frozen=True, slots=True)
class Said:
    """One mistake: in words, the rule whose values it changes, and how."""

    mistake: str
    rule: str
    change: Change

    @property
    def rules(self) -> tuple[str, ...]:
        return (self.rule,)

    def apply(self) -> AbstractContextManager[None]:
        return _changed(self.rule, self.change)


@contextmanager
def _changed(rule: str, change: Change) -> Iterator[None]:
    right_step, right_guest = Model.predict, Model.guest

    def mistaken(prediction: Prediction) -> Prediction:
        expected = (change(e) if e.rule.id == rule else e for e in prediction.expected)
        return replace(prediction, expected=tuple(expected))

    def predict(self: Model, step: Step) -> Prediction:
        return mistaken(right_step(self, step))

    def guest(self: Model) -> Prediction:
        return mistaken(right_guest(self))

    with mock.patch.object(Model, "predict", predict), mock.patch.object(Model, "guest", guest):
        yield


def always(value: Scalar) -> Change:
    return lambda expected: replace(expected, value=value)


def instead(right: Scalar, wrong: Scalar) -> Change:
    """Another value; bounds stay what they are."""

    def change(expected: Expected) -> Expected:
        exact = expected.relation in ("==", "contains", "matches")
        return replace(expected, value=wrong) if exact and expected.value == right else expected

    return change


def plus(number: int) -> Change:
    """Numbers alone, which truth values are not."""

    def change(expected: Expected) -> Expected:
        value = expected.value
        counts = isinstance(value, int) and not isinstance(value, bool)
        return replace(expected, value=value + number) if counts else expected  # type: ignore[operator]

    return change


def twice(expected: Expected) -> Expected:
    value: Any = expected.value
    return replace(expected, value=2 * value) if isinstance(value, int) else expected


def opposite(expected: Expected) -> Expected:
    return replace(expected, value=not expected.value)


def halved(expected: Expected) -> Expected:
    value: Any = expected.value
    return replace(expected, value=value // 2) if isinstance(value, int) else expected


MISTAKES = (
    Said("base pages are twice as large", "guest.page-size", twice),
    Said("huge pages are twice as large", "guest.pmd-size", twice),
    Said("/proc/cpuinfo tells no MMU", "guest.mmu", always("MMU: none")),
    Said("another kernel runs", "guest.release", always("0.0")),
    Said("what is built in is not there", "feature.built", opposite),
    Said("a machine without nvdimm has a region", "pmem.none", always(1)),
    Said("there is always something to map", "gup.no-device", always("ran")),
    Said("the ioctl tells of errors", "gup.ioctl-succeeds", always("ioctl-refused")),
    Said("there is one result whatever is asked for", "gup.results", always(0)),
    Said("truncation is always told", "gup.complete", always(0)),
    Said("a call that gets some pages counts those", "gup.partial", plus(-1)),
    Said("a page more is pinned", "gup.pin-count", plus(1)),
    Said("get_user_pages counts as well", "gup.get-counters", plus(1)),
    Said("nobody can have device memory", "kconfig.zone-device", instead("y", "n")),
    Said("DAX files are pinned for long", "gup.fsdax-longterm", instead(0, None)),
    Said("files with dirty tracking are pinned for long", "gup.file-longterm", instead(0, None)),
    Said("MAP_PRIVATE is EACCES", "devdax.private", instead("EINVAL", "EACCES")),
    Said("a mapping off the alignment is ENOMEM", "devdax.unaligned", instead("EINVAL", "ENOMEM")),
    Said("MADV_NOHUGEPAGE is SIGSEGV", "devdax.nohuge", instead("SIGBUS", "SIGSEGV")),
    Said("past a device's end is SIGSEGV", "devdax.past-end", instead("SIGBUS", "SIGSEGV")),
    Said("past a file's end is SIGSEGV", "file.past-end", instead("SIGBUS", "SIGSEGV")),
    Said("RAM of a device is on no node", "kmem.node", always("")),
    Said("no entry is ever split", "mmap.split", always("EINVAL")),
    Said("an address of the kernel's choice is taken", "mmap.free-address", always(True)),
    Said("an entry of device-dax is split", "devdax.split", instead("EINVAL", None)),
    Said("a hole takes one byte more", "data.hole-end", plus(-1)),
    Said("a file is read to the end of its block", "file.read-end", plus(1)),
    Said("a block keeps what it had", "file.fresh-zero", always(1)),
    Said("a store leaves the times", "file.store-time", always(False)),
    Said("hugetlb pages are twice as large", "hugetlb.size", twice),
    Said("one entry more is faulted in huge", "thp.faults", plus(1 << 20)),
    Said("fsdax mounts without DAX", "fs.dax", instead(True, False)),
    Said("blocks have 1K", "fs.block-size", always(1024)),
    Said("a file is longer than what was written", "fs.file", plus(1)),
    Said("no device is needed", "fs.needs-block-device", always("mounted")),
    Said("xfs takes small devices", "fs.xfs-smallest", always("mounted")),
    Said("ext4 mounts without DAX", "fs.ext4-dax", always("mounted")),
    Said("xfs refuses a device without DAX", "fs.xfs-without-dax", instead("mounted", "refused")),
    Said("what was written is lost", "block.write-read", instead("identical", "differs")),
    Said("a namespace that comes and goes leaves one", "ns.churn", plus(1)),
    Said("the kernel's own mappings stay", "ns.direct-map", plus(1 << 20)),
    Said("too little for a block is ENODEV", "kmem.too-small", instead("EINVAL", "ENODEV")),
    Said("blocks stay offline", "kmem.online", instead(True, False)),
    Said("an offset off the page size is ENODEV", "mmap.offset", instead("EINVAL", "ENODEV")),
    Said("MAP_SYNC is EINVAL", "mmap.sync", instead("EOPNOTSUPP", "EINVAL")),
    Said("a child takes no faults", "mmap.fork", always(0)),
    Said("DAX is locked in memory", "mmap.lock", plus(1 << 20)),
    Said("what was moved is faulted in again", "mmap.move", instead(0, 4)),
    Said("what was unmapped is still there", "mmap.no-more", instead("SIGSEGV", None)),
    Said("a child writes to its parent's pages", "mmap.copy", always(0)),
    Said("collapsing is for later", "mmap.collapse", always("EAGAIN")),
    Said("each mprotect() charges", "mmap.committed", plus(4096)),
    Said("a huge page of anonymous memory is not counted", "mmap.anon-huge", plus(1)),
    Said("page tables are twice as large", "mmap.page-tables", twice),
    Said("a mapping leaves a table", "mmap.nothing-left", plus(-(1 << 20))),
    Said("touching memory kills", "fault.touched", instead("touched", "signalled")),
    Said("a fault maps half of an entry", "fault.entry", twice),
    Said("writing to clean entries takes no fault", "fault.clean-entry", halved),
    Said("si_addr is the page behind", "fault.address", plus(4096)),
    Said("a write to a read-only mapping is SEGV_MAPERR", "fault.read-only", always("SEGV_MAPERR")),
    Said("DAX pages count in RSS", "dax.no-rss", plus(1 << 30)),
    Said("DAX pages count twice in RSS", "dax.rss", plus(1 << 30)),
    Said("nothing is printed of pages", "page.dumped", always("no-device")),
    Said("a folio has a reference more", "page.devdax-refs", plus(1)),
    Said("a mapping is no reference", "page.devdax-refs-counted", plus(-1)),
    Said("pages of a DAX file have a reference more", "page.fsdax-refs", plus(1)),
    Said("pages of a DAX file are not mapped", "page.fsdax-refs-counted", plus(1 << 20)),
    Said("folios have half the size", "page.order", plus(-1)),
    Said("a pin is not counted apart", "page.pincount", plus(1)),
    Said("frames are one off", "page.frame", plus(1)),
    Said("the fast path takes nothing in vain", "gup.vain-pins", plus(-100_000)),
    Said("pages take themselves for the next", "page.index", plus(1)),
    Said("all blocks are of 512 bytes", "ns.block-size", instead(4096, 512)),
    Said("poison is SIGSEGV", "poison.signal", instead("SIGBUS", "SIGSEGV")),
    Said("si_addr is the page behind the entry", "poison.address", plus(4096)),
    Said("si_addr_lsb is one more", "poison.lsb", plus(1)),
    Said("everybody is told", "poison.bystander", always("SIGBUS")),
    Said("what is poisoned stays mapped", "poison.unmapped", instead(1, 0)),
    Said("a poisoned page is lost", "poison.retouch", opposite),
    Said("a cookie is the one after", "region.set-cookie", plus(1)),
    Said("a region keeps being writable", "region.read-only", always(0)),
    Said("a disk that is read-only stays so", "region.disk-follows", always(1)),
    Said("a write to a read-only disk is EROFS", "block.read-only", instead("EPERM", "EROFS")),
    Said("no node but the first has memory", "numa.memory", always("0")),
    Said("every node has normal memory", "numa.normal-memory", instead("0", "0-1")),
    Said("nothing is recovered", "poison.recovered", instead("dax page: Recovered", "Failed")),
    Said("who poisons memory hears nothing", "poison.ram-told", instead("SIGBUS", None)),
    Said("a poisoned page is half as large", "poison.ram-place", plus(-1)),
    Said("poisoned memory reads zeroes", "poison.ram-touch", always(None)),
    Said("a child reads a new page", "poison.anon-forked", always(None)),
    Said("a poisoned page is out of the cache", "poison.shmem-forked", always(None)),
    Said("a page is lost with the poisoned one", "poison.ram-intact", plus(-4096)),
    Said(
        "lost memory was clean",
        "poison.ram-lost",
        instead("dirty LRU page: Recovered", "clean LRU page: Recovered"),
    ),
    Said("memory ends as it did at boot", "kmem.last-page", instead("page", "nothing")),
    Said("kmem keeps a block", "kmem.returned", plus(MIB)),
    Said("a test of ndctl's passes by skipping", "suite.pass", always("skip")),
    Said("a test that lacks something passes", "suite.skip", instead("skip", "pass")),
    Said("no memory is registered", "rdma.registered", instead("registered", "refused")),
    Said("half of the pages are pinned", "rdma.pins", halved),
    Said("nobody is charged for pins", "rdma.accounted", always(0)),
    Said("RDMA ends in an error", "rdma.data", instead("success", "local protection error")),
    Said("a page stays pinned", "rdma.nothing-left", plus(1)),
    Said("registering nothing is EINVAL", "rdma.not-there", instead("EFAULT", "EINVAL")),
    Said("daxctl knows of every range", "kmem.one-piece", twice),
    Said("memory stays when it is unplugged", "kmem.state-whole", instead("unplugged", "offline")),
    Said("what is plugged is EINVAL", "kmem.state-busy", instead("EBUSY", "EINVAL")),
    Said("offline is EBUSY", "kmem.state-offline", instead("EINVAL", "EBUSY")),
    Said("a device on no node is ENODEV", "kmem.no-node", instead("EINVAL", "ENODEV")),
    Said("what a region has not is ENOMEM", "dyn.no-space", instead("ENOSPC", "ENOMEM")),
)
