"""mm/: pages, page tables, slabs, out of memory; and failures that do not panic."""

from __future__ import annotations

import re

from harness.observe.classes.rows import error, lone
from harness.observe.locate import at_origin, in_trace, trace_then_origin
from harness.observe.report_class import ReportClass

_PAGE_WORK = (
    r"\w*(?:free|put|get|update|release)_pages?\w*|free_unref\w*|_*folio\w*|truncate_inode_pages\w*"
    r"|page_frag_free|\w*alloc\w*|\w*vmap\w*|\w*page_owner\w*"
)
# What comes between an allocator and whoever asked it for a folio or a page of a kind.
_ALLOCATORS = (
    r"_*folio\w*|vma_alloc\w*|alloc_(?:anon|buddy|contig|migration|zeroed)\w*|\w*order_noprof"
)
_NAMING = (
    r"_*sysfs_\w+|internal_create_\w+|create_dir|_*kobject_\w+|bus_add_device"
    r"|device_(?:register|create\w*|add_\w+)"
)
_OOM_END = re.compile(r"Out of memory|Memory cgroup out of memory")

MEMORY = (
    error(
        "bad-page",
        "BUG: Bad page {what}",
        r"BUG: Bad page (?P<what>state|cache) in process",
        where=at_origin,
        skip=_PAGE_WORK,
    ),
    error(
        "bad-page",
        "BUG: Bad page {what}",
        r"BUG: Bad page (?P<what>map) in process",
        where=in_trace,
        skip=r"_*vm_normal_(?:page|folio)\w*",
    ),
    lone("bad-page", "BUG: Bad page {what}", r"BUG: Bad page (?P<what>state|map): \d+ messages"),
    # mm/pgtable-generic.c, by macros of each architecture: x86 tells where the entry is.
    lone(
        "bad-page-table",
        "bad {what} in a page table",
        r"\w\.[ch]:\d+: bad (?P<what>pte|pmd|pud|p4d|pgd) (?:[0-9a-fpx]+\()?[0-9a-f]{8,16}",
    ),
    # mm/swapfile.c, of a page table's entry that nobody made
    lone(
        "bad-page-table",
        "bad swap entry in a page table",
        r"\w: (?:Bad swap (?:file|offset)|Unused swap offset) entry [0-9a-f]{8}",
    ),
    # mm/page_poison.c
    error(
        "bad-page",
        "pagealloc: {what}",
        r"pagealloc: (?P<what>memory corruption|single bit error)$",
        where=at_origin,
        skip=_PAGE_WORK,
    ),
    # mm/page_alloc.c, warn_alloc: whoever has another way asks with __GFP_NOWARN. vmalloc has
    # one for what it does not get in larger pages, of which 6.1 complains; vmemmap has one, too.
    error(
        "page-allocation",
        "page allocation failure",
        r"page allocation failure: order:\d+, mode:0x",
        where=in_trace,
        skip=_ALLOCATORS,
    ),
    error(
        "page-allocation",
        "vmalloc error: {what}",
        r"vmalloc error: size \d+, (?:page order 0, |align 0x[0-9a-f]+, )?"
        r"(?P<what>[a-z][a-z_ ]+?)(?: \d+)?, mode:0x",
        where=in_trace,
        skip=_ALLOCATORS,
    ),
    # fs/sysfs/dir.c; a WARNING until 4.16
    error(
        "sysfs",
        "sysfs: cannot create duplicate filename",
        r"sysfs: cannot create duplicate filename '",
        where=in_trace,
        skip=_NAMING,
        joins_within=3,
    ),
    lone(
        "page-table-leak",
        "BUG: non-zero {what} on freeing mm",
        r"BUG: non-zero (?P<what>pgtables_bytes|nr_ptes|nr_pmds) on freeing mm",
    ),
    lone(
        "rss-counter",
        "BUG: Bad rss-counter state {what}",
        r"BUG: Bad rss-counter state mm:\S+ (?:type:|idx:)(?P<what>\w+)",
    ),
    # mm/slub.c: cache names are kept, counts are not.
    error(
        "slab",
        "slab: {what} ({cache})",
        r"BUG (?P<cache>[\w:.-]+)(?: \((?:Not tainted|Tainted)[^)]*\): (?!kasan: )|: (?=Objects ))"
        r"(?P<what>[A-Za-z][\w' /-]*)",
        where=trace_then_origin,
    ),
    error("slab", "slab: {what}", r"(?P<what>Slab cache still has objects|Wrong slab cache)"),
    error(
        "slab",
        "INFO: {what}",
        r"INFO: (?P<what>Freed|Allocated) in (?P<function>[\w.]+)\+0x\S+ age=",
        joins_within=60,
    ),
    ReportClass(
        "oom",
        "out of memory: {what} invoked the OOM killer",
        "error",
        re.compile(r"(?P<what>\S{1,40}) invoked oom-killer"),
        patience=60,
        located=False,
        end=_OOM_END,
    ),
    lone("oom", "out of memory: process killed", r"ut of memory: Kill(?:ed)? process \d+"),
    # drivers/base/dd.c; the second form is 6.10's.
    lone(
        "probe-failure",
        "probe of {what} failed with ENOMEM",
        r"probe of (?P<what>\S+) failed with error -12$",
    ),
    lone(
        "probe-failure",
        "probe with driver {what} failed with ENOMEM",
        r"probe with driver (?P<what>\S+) failed with error -12$",
    ),
    # fs/ext4/super.c, fs/xfs/xfs_message.c, fs/dcache.c, fs/super.c, fs/open.c. A loop device
    # holds an image that somebody made; that it is corrupt is no kernel's fault.
    lone("filesystem", "ext4 error", r"EXT4-fs error \(device (?!loop)"),
    lone(
        "filesystem",
        "xfs {what}",
        r"XFS \((?!loop)\S+\): "
        r"(?P<what>Internal error|Metadata corruption|Corruption of|Assertion failed"
        r"|Metadata CRC error|metadata I/O error|log I/O error)",
    ),
    error(
        "filesystem",
        "BUG: Dentry still in use",
        r"BUG: Dentry .* still in use \(-?\d+\) \[(?P<function>unmount) of ",
        joins_within=3,
        explains="warning",
    ),
    lone("filesystem", "VFS: Busy inodes after unmount", r"VFS: Busy inodes after unmount"),
    lone("filesystem", "VFS: Close: file count is zero", r"VFS: Close: file count is (?:0|zero)"),
    # net/core/dev.c
    lone(
        "netdevice-wait",
        "unregister_netdevice: waiting for a device to become free",
        r"unregister_netdevice: waiting for .* to become free",
    ),
)
