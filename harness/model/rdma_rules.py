"""The rules about memory that is registered with RDMA, by soft RoCE."""

from __future__ import annotations

from harness.records import Rule

_UMEM = "Linux drivers/infiniband/core/umem.c"
_RXE = "Linux drivers/infiniband/sw/rxe/rxe_mr.c"

RDMA_RULES: tuple[Rule, ...] = (
    Rule(
        "rdma.registered",
        "Memory that can be pinned for long can be registered: anonymous memory, huge pages and"
        " device-dax, wherever its struct pages live.",
        f"{_UMEM} ib_umem_get (pin_user_pages_fast with FOLL_LONGTERM); {_RXE} rxe_mr_init_user",
    ),
    Rule(
        "rdma.pins",
        "Every base page of a memory region is pinned once, from registration to deregistration;"
        " munmap ends the mapping, not the pins.",
        f"{_UMEM} ib_umem_get, __ib_umem_release; mm/gup.c try_grab_folio",
    ),
    Rule(
        "rdma.accounted",
        "The process is charged for what is pinned (VmPin) as long as that is registered, its"
        " mapping or not.",
        f"{_UMEM} ib_umem_get, ib_umem_release (pinned_vm)",
    ),
    Rule(
        "rdma.data",
        "RDMA WRITE changes what the CPU sees, RDMA READ returns it, also after munmap: rxe copies"
        " by the kernel's own mapping of the pages, which device memory has as well.",
        f"{_RXE} rxe_mr_copy (page_address, from 6.3 kmap_local_page)",
    ),
    Rule(
        "rdma.nothing-left",
        "Nothing stays pinned or charged after deregistration, nor after a registration that"
        " failed on its way.",
        f"{_UMEM} ib_umem_get (umem_release), ib_umem_release",
    ),
    Rule(
        "rdma.not-there",
        "A registration that goes on where nothing can be faulted in is refused whole: EFAULT.",
        f"{_UMEM} ib_umem_get; mm/gup.c faultin_page",
    ),
    Rule(
        "rdma.persistent",
        "Memory for persistent flushes must be marked as persistent in /proc/iomem, which"
        " ACPI's NFIT driver does and papr_scm does not: EINVAL for all other.",
        f"{_RXE} is_pmem_page; drivers/acpi/nfit/core.c acpi_nfit_insert_resource;"
        " arch/powerpc/platforms/pseries/papr_scm.c",
    ),
    Rule(
        "rdma.persistent-unknown",
        "Before 6.2 nothing can be registered for persistent flushes: EINVAL, and no page is"
        " pinned.",
        "Linux include/rdma/ib_verbs.h ib_check_mr_access (IB_ACCESS_SUPPORTED)",
    ),
)
