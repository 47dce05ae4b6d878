"""Steps about RDMA: memory that a device, here one of software, is given for long.

Like those in ``steps.py``, which lists them among all others.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from harness.scenario.step import Index, PositiveSize, Step


class RdmaRegister(Step):
    """Register memory with soft RoCE, and move data into it and out of it by RDMA.

    The rxe device is made on the guest's own network device, and all traffic stays within
    the guest. ``size`` is bytes, of the mapping and of what is registered. It is registered
    before anything touches it; with ``write`` false for reading only, and filled before.
    ``moved`` is how many bytes of it, at its end, data is moved through, by default all.
    ``persistent`` asks for memory that may be flushed to persistence by RDMA. ``thp`` and
    ``hugetlb`` are private; ``region`` is where devdax or fsdax memory lives.

    Shows ``outcome`` (``registered``, ``refused`` or ``mmap-refused`` with ``errno``,
    ``killed`` with ``signal``, or ``no-device``), ``huge_page_bytes`` (hugetlb), and what is
    left at the end: ``pinned_pages_left`` (base pages, of the counters in /proc/vmstat) and
    ``pinned_vm_bytes_left`` (of VmPin). Registered: ``pinned_pages`` and
    ``pinned_vm_bytes``; ``completion`` (the status of RDMA WRITE and READ, the first that is
    no success); ``intact_bytes`` (of those moved, as the CPU and RDMA READ see what RDMA
    WRITE wrote, or RDMA READ what the CPU wrote); ``pinned_pages_unmapped`` and
    ``intact_bytes_unmapped`` (the same after munmap, by RDMA READ); ``thp_faults`` (thp); and
    the times ``register_us`` and ``deregister_us``, in microseconds.
    """

    kind: ClassVar[str] = "rdma-register"
    programs: ClassVar[tuple[str, ...]] = ("rdmaprobe",)
    memory: Literal["anon", "thp", "hugetlb", "devdax", "fsdax"]
    size: PositiveSize = 16 << 20
    write: bool = True
    moved: PositiveSize | None = None
    persistent: bool = False
    region: Index = 0


RDMA_STEPS: tuple[type[Step], ...] = (RdmaRegister,)
