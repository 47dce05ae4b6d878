"""Single lines that are reports, and lines that only look like one."""

from __future__ import annotations

import pytest

from tests.golden.console_file import read


@pytest.mark.parametrize(
    "line",
    [
        "Kernel command line: console=ttyS0 panic=-1 oops=panic panic_on_warn",
        "ALSA sound/core/pcm_lib.c:181: BUG: pcmC0D0p:0, pos = 0x4000, buffer size = 0x4000",
        "Speculative Return Stack Overflow: WARNING: See https://kernel.org/doc for options.",
        "EXT4-fs error (device loop0): ext4_lookup:1851: inode #2: comm foo: bad extra_isize",
        "XFS (loop3): log I/O error -5",
        "Buffer I/O error on dev pmem0, logical block 0, async page read",
        "I/O error, dev pmem0, sector 8 op 0x0:(READ) flags 0x0 phys_seg 1 prio class 2",
        "XFS (loop3): Metadata corruption detected at xfs_agf_verify+0x77/0x90",
        "BUG kmalloc-64 (Not tainted): kasan: bad access detected",
        "WARNING: nvram corruption detected: 0-length partition",
        "[Firmware Bug]: TSC not synchronous to P0",
        "gup_test[77]: bad frame in do_page_fault",
        "traps: gup_test[77] general protection fault ip:401000 sp:7ffe0 error:0 in gup_test",
        "gup_test[77]: segfault at 0 ip 0000000000401000 sp 00007ffe error 4 in gup_test",
        "User process fault: interruption code 0010 ilc:3 in gup_test[1000000+4000]",
        "rcu: \tRCU restricting CPUs from NR_CPUS=8 to nr_cpu_ids=2.",
        "vmalloc error: size 4194304, page order 9, failed to allocate pages, mode:0xcc0(G)",
        "ndctl: vmemmap alloc failure: order:9, mode:0x4cc0(GFP_KERNEL|__GFP_RETRY_MAYFAIL)",
        "CPA ffffc90000000000: bad pte 8000000000000163",
        "i2c i2c-1: bad pmd 0000000000000000 of nobody",
        "Memory failure: 0x4100: recovery action for dax page: Recovered",
        "Memory failure: 0x4100: Sending SIGBUS to gup_test:77 due to hardware memory corruption",
        "nd_pmem namespace0.0: probe of pfn0.0 failed with error -22",
        "dax_pmem dax0.0: namespace0.0 unable to satisfy requested alignment",
        "Bluetooth: BNEP (Ethernet Emulation) debugging",
        "printk: console [hvc0] enabled",
        "EXT4-fs (pmem0): mounted filesystem with ordered data mode. Quota mode: disabled.",
        "XFS (pmem0): Ending clean mount",
        "sched: RT throttling activated",
        "watchdog: Delayed init of the lockup detector failed: -19",
        "LSM: Security Framework initializing, hung tasks and oopses are not mentioned",
        "random: crng init done",
        "Spectre V2 : Mitigation: Retpolines; WARNING: Unprivileged eBPF is enabled",
    ],
)
def test_harmless_line_is_no_report(line: str) -> None:
    assert read(f"[    1.234567] {line}\n".encode()) == ()


@pytest.mark.parametrize(
    ("line", "kind", "title", "function"),
    [
        (
            "WARNING: mm/gup.c:70 at try_get_folio+0x1a/0x1f0, CPU#1: gup_test/77",
            "warning",
            "WARNING in try_get_folio",
            "try_get_folio",
        ),
        (
            "WARNING: CPU: 1 PID: 77 at mm/gup.c:70 try_get_folio.constprop.0+0x1a/0x1f0",
            "warning",
            "WARNING in try_get_folio",
            "try_get_folio",
        ),
        (
            "Oops: general protection fault, probably for non-canonical address"
            " 0xdead000000000100: 0000 [#1] SMP NOPTI",
            "general-protection",
            "general protection fault",
            None,
        ),
        ("divide error: 0000 [#1] PREEMPT SMP PTI", "divide-error", "divide error", None),
        (
            "BUG: KASAN: slab-out-of-bounds in dev_dax_probe+0x12/0x3f0",
            "kasan",
            "KASAN: slab-out-of-bounds in dev_dax_probe",
            "dev_dax_probe",
        ),
        (
            "UBSAN: shift-out-of-bounds in ../drivers/dax/device.c:451:22",
            "ubsan",
            "UBSAN: shift-out-of-bounds",
            None,
        ),
        (
            "WARNING: possible circular locking dependency detected",
            "lockdep",
            "possible deadlock",
            None,
        ),
        (
            "rcu: INFO: rcu_sched detected stalls on CPUs/tasks:",
            "rcu-stall",
            "INFO: rcu detected stall",
            None,
        ),
        (
            "INFO: task ndctl:77 blocked for more than 120 seconds.",
            "hung-task",
            "INFO: task hung",
            None,
        ),
        (
            "BUG: Bad rss-counter state mm:00000000a1b2c3d4 type:MM_FILEPAGES val:512",
            "rss-counter",
            "BUG: Bad rss-counter state MM_FILEPAGES",
            None,
        ),
        (
            "BUG: non-zero pgtables_bytes on freeing mm: 2048",
            "page-table-leak",
            "BUG: non-zero pgtables_bytes on freeing mm",
            None,
        ),
        (
            "BUG: Bad page state in process gup_test  pfn:41000",
            "bad-page",
            "BUG: Bad page state",
            None,
        ),
        (
            "device_dax: probe of dax0.0 failed with error -12",
            "probe-failure",
            "probe of dax0.0 failed with ENOMEM",
            None,
        ),
        (
            "device_dax dax0.0: probe with driver device_dax failed with error -12",
            "probe-failure",
            "probe with driver device_dax failed with ENOMEM",
            None,
        ),
        ("pages[3] is NOT dma-pinned", "gup-pin", "page NOT dma-pinned", None),
        (
            "failed to free all reserved pages",
            "vmemmap-leak",
            "failed to free all reserved pages",
            None,
        ),
        (
            "Unable to handle kernel paging request at virtual address ffff800010000000",
            "paging-fault",
            "BUG: unable to handle kernel paging request",
            None,
        ),
        (
            "Unable to handle kernel pointer dereference in virtual kernel address space",
            "paging-fault",
            "BUG: unable to handle kernel pointer dereference",
            None,
        ),
        (
            "Internal error: Oops - BUG: 00000000f2000800 [#1] PREEMPT SMP",
            "oops",
            "Internal error: Oops - BUG",
            None,
        ),
        (
            "Kernel attempted to write user page (1000) - exploit attempt? (uid: 0)",
            "paging-fault",
            "kernel attempt to write user page",
            None,
        ),
        (
            "BUG: assuming atomic context at drivers/dax/bus.c:77",
            "atomic-sleep",
            "BUG: assuming atomic context",
            None,
        ),
        (
            "WARNING: stack going in the wrong direction? at dax_probe.isra.0+0x2b0/0xc80",
            "warning",
            "WARNING: unwinder: stack going in the wrong direction in dax_probe",
            "dax_probe",
        ),
        (
            "CFI failure at dax_read+0x1c/0x90 (target: foo+0x0/0x4; expected type: 0xd9421881)",
            "cfi",
            "CFI failure in dax_read",
            "dax_read",
        ),
        (
            "BUG dax_cache: Objects remaining in dax_cache on kmem_cache_close()",
            "slab",
            "slab: Objects remaining in dax_cache on kmem_cache_close (dax_cache)",
            None,
        ),
        (
            "mm/pgtable-generic.c:51: bad pmd 00000000a1b2c3d4(84000001400008e7)",
            "bad-page-table",
            "bad pmd in a page table",
            None,
        ),
        (
            "../mm/pgtable-generic.c:39: bad pud c000000140000087.",
            "bad-page-table",
            "bad pud in a page table",
            None,
        ),
        (
            "ndctl: page allocation failure: order:4, mode:0x40dc0(GFP_KERNEL|__GFP_COMP),"
            " nodemask=(null),cpuset=/,mems_allowed=0",
            "page-allocation",
            "page allocation failure",
            None,
        ),
        (
            "insmod: vmalloc error: size 8192, page order 0, failed to allocate pages,"
            " mode:0xcc2(GFP_KERNEL|__GFP_HIGHMEM), nodemask=(null),cpuset=/,mems_allowed=0",
            "page-allocation",
            "vmalloc error: failed to allocate pages",
            None,
        ),
        (
            "ndctl: vmalloc error: size 1073741824, exceeds total pages, mode:0xcc0(GFP_KERNEL)",
            "page-allocation",
            "vmalloc error: exceeds total pages",
            None,
        ),
        (
            "ndctl: vmalloc error: size 4096, failed to allocated page array size 8, mode:0xcc0(G)",
            "page-allocation",
            "vmalloc error: failed to allocated page array size",
            None,
        ),
        (
            "ndctl: vmalloc error: size 4096, align 0x1000, vm_struct allocation failed,"
            " mode:0xcc0(GFP_KERNEL)",
            "page-allocation",
            "vmalloc error: vm_struct allocation failed",
            None,
        ),
        ("pagealloc: memory corruption", "bad-page", "pagealloc: memory corruption", None),
        ("pagealloc: single bit error", "bad-page", "pagealloc: single bit error", None),
        (
            "sysfs: cannot create duplicate filename '/bus/dax/devices/dax0.0'",
            "sysfs",
            "sysfs: cannot create duplicate filename",
            None,
        ),
        (
            "get_swap_device: Bad swap file entry 3ffffffffffff",
            "bad-page-table",
            "bad swap entry in a page table",
            None,
        ),
        ("Oops - load access fault [#1]", "oops", "oops: load access fault", None),
        ("Kernel BUG [#2]", "oops", "oops: Kernel BUG", None),
        (
            "Reserved instruction in kernel code[#1]:",
            "oops",
            "oops: Reserved instruction in kernel code",
            None,
        ),
        (
            "BUG at mas_validate_limits:7123 (1)",
            "bug",
            "BUG in the maple tree in mas_validate_limits",
            "mas_validate_limits",
        ),
        (
            "Internal error: UBSAN: array index out of bounds: 00000000f2005512 [#1]  SMP",
            "ubsan",
            "UBSAN: array index out of bounds",
            None,
        ),
        (
            "PANIC: early exception 0x0e IP 10:ffffffff81a2b3c4 error 0 cr2 0xffffffffff240000",
            "oops",
            "PANIC: early exception 0x0e",
            None,
        ),
        (
            "PANIC: early exception 0005 PSW: 0000000180000000 000003ffe0a1b2c4",
            "oops",
            "PANIC: early exception 0005",
            None,
        ),
        (
            "BUG: key ffffc90000012345 has not been registered!",
            "bug",
            "BUG: key",
            None,
        ),
        ("BUG: failure at mm/gup.c:77/foo()!", "bug", "BUG: failure at", None),
        ("BUG: x86 has no such page", "bug", "BUG: x", None),
        ("XFS (pmem0): log I/O error -5", "filesystem", "xfs log I/O error", None),
        (
            'XFS (pmem0): metadata I/O error in "xfs_buf_ioend+0x1/0x2" at daddr 0x2 len 1 error 5',
            "filesystem",
            "xfs metadata I/O error",
            None,
        ),
        (
            "XFS (pmem0): Metadata CRC error detected at xfs_agf_read_verify+0x1/0x2, block 0x1",
            "filesystem",
            "xfs Metadata CRC error",
            None,
        ),
        ("EXT4-fs error (device pmem0): ext4_lookup:1851: x", "filesystem", "ext4 error", None),
    ],
)
def test_one_line_is_enough_to_be_known(
    line: str, kind: str, title: str, function: str | None
) -> None:
    (report,) = read(f"[    1.234567] {line}\n".encode())
    assert (report.kind, report.title, report.function) == (kind, title, function)
