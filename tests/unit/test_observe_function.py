"""Which function is at fault, kind by kind; the traces are made up in the kernel's forms."""

from __future__ import annotations

import pytest

from tests.golden.console_file import read

END = "---[ end trace 0000000000000000 ]---"


def log_of(text: str, caller: str = "") -> bytes:
    lines = text.strip("\n").splitlines()
    return "".join(f"[   12.345678]{caller} {line}\n" for line in lines).encode()


def trace(*functions: str) -> str:
    return "Call Trace:\n" + "\n".join(f" {name}+0x1a/0x2b0" for name in functions)


STALL = f"""
rcu: INFO: rcu_sched self-detected stall on CPU
rcu: \t0-....: (2600 ticks this GP)
{trace("dump_stack", "rcu_check_callbacks", "asm_sysvec_apic_timer_interrupt")}
RIP: 0010:inner_loop+0x4/0x10
 foo_spin+0x1/0x20
 foo_ioctl+0x7/0x80
 __x64_sys_ioctl+0x8/0x90
 do_syscall_64+0x3b/0x90
"""
# kernel/rcu/tree_stall.h: rcu_check_gp_kthread_starvation(), where the CPU did not answer
STARVED = f"""
rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:
rcu: \t0-...0: (5 ticks this GP) idle=04cc/1/0x4000000000000000 softirq=38/44 fqs=2579
Sending NMI from CPU 1 to CPUs 0:
rcu: rcu_preempt kthread starved for 2503 jiffies! g-1139 f0x0 RCU_GP_WAIT_FQS(5) ->cpu=1
rcu: RCU grace-period kthread stack dump:
task:rcu_preempt     state:I stack:0     pid:15    tgid:15    ppid:2
{trace("__switch_to", "__schedule", "schedule", "schedule_timeout", "rcu_gp_kthread", "kthread")}
"""
LAST_RAN = f"""{STARVED.rstrip()}
rcu: Stack dump where RCU GP kthread last ran:
Task dump for CPU 1:
{trace("foo_spin", "foo_ioctl", "__x64_sys_ioctl", "do_syscall_64")}
"""
HANG = f"""
INFO: task foo:77 blocked for more than 120 seconds.
      Not tainted 6.1.192 #2
{trace("__schedule", "schedule", "rwsem_down_write_slowpath", "down_write", "foo_commit")}
"""
LOCK_OF_ITS_OWN = f"""
INFO: task foo:77 blocked for more than 120 seconds.
{trace("__schedule", "schedule", "__mutex_lock", "foo_bus_lock", "do_syscall_64")}
INFO: task foo:77 is blocked on a mutex likely owned by task bar:78.
{trace("innocent")}
"""
HELD_LOCK = f"""
INFO: task foo:77 blocked for more than 120 seconds.
{trace("__schedule", "schedule", "rwsem_down_write_slowpath", "foo_bus_lock", "kthread")}
"""
GRACE = f"""
INFO: task foo:77 blocked for more than 120 seconds.
{trace("__schedule", "schedule_timeout", "__wait_rcu_gp", "synchronize_rcu", "foo_exit")}
"""
DEADLOCK = f"""
WARNING: possible recursive locking detected
foo/77 is trying to acquire lock:
ffff888100000000 (&foo->lock){{+.+.}}-{{3:3}}, at: foo_second+0x12/0x40

but task is already holding lock:
ffff888100000040 (&foo->lock){{+.+.}}-{{3:3}}, at: foo_first+0x12/0x40
stack backtrace:
{trace("dump_stack", "__lock_acquire", "lock_acquire", "foo_second", "foo_first")}
"""
KASAN = f"""
BUG: KASAN: slab-use-after-free in __list_del_entry_valid+0x12/0x40
Read of size 8 at addr ffff888100000000 by task foo/77
{trace("dump_stack_lvl", "print_report", "kasan_report", "__list_del_entry_valid", "foo_remove")}

Allocated by task 77:
 kasan_save_stack+0x1/0x2
 innocent_alloc+0x1/0x2
"""
KCSAN = """
BUG: KCSAN: data-race in foo_read / foo_write
write to 0xffff888100000000 of 8 bytes by task 77 on cpu 0:
 foo_write+0x1/0x2
"""
REFCOUNT = f"""
------------[ cut here ]------------
refcount_t: underflow; use-after-free.
WARNING: CPU: 0 PID: 77 at lib/refcount.c:28 refcount_warn_saturate+0x12/0x40
RIP: 0010:refcount_warn_saturate+0x12/0x40
{trace("kref_put", "foo_release", "__fput")}
{END}
"""
LEAK = """
BUG: memory leak
unreferenced object 0xffff888100000000 (size 64):
  comm "foo", pid 77, jiffies 4298984475 (age 16.078s)
  backtrace:
    [<00000000848a2f5f>] kmalloc_node_trace+0x7f/0xc0
    [<00000000e5bea000>] foo_create.isra.7+0x15d0/0x2830
"""
SLEEP = f"""
BUG: sleeping function called from invalid context at kernel/locking/mutex.c:580
in_atomic(): 1, irqs_disabled(): 0, non_block: 0, pid: 77, name: foo
{trace("dump_stack_lvl", "__might_resched", "__mutex_lock", "foo_irq_thread")}
"""
NO_SLEEP = f"""
BUG: scheduling in a non-blocking section: foo/77/1
{trace("dump_stack_lvl", "__schedule_bug", "__schedule", "schedule", "foo_wait_for_it")}
"""
ARM = """
Unable to handle kernel paging request at virtual address 6b6b6b6b
PC is at memcpy+0x4/0x330
LR is at foo_copy+0x10/0x20
[<80b10c70>] (memcpy) from [<8062eec8>] (foo_copy+0x10/0x20)
"""
# A CPU with KUAP: power9 with a radix MMU
KUAP = f"""
Kernel attempted to read user page (8) - exploit attempt? (uid: 0)
BUG: Kernel NULL pointer dereference on read at 0x00000008
Faulting instruction address: 0xc0000000008d1234
Oops: Kernel access of bad area, sig: 11 [#1]
NIP [c0000000008d1234] foo_read+0x12/0x3f0
{END}
"""
# Linux 2.6 to 3.19 on arm: callee and caller with their offsets.
OLD_ARM = """
Unable to handle kernel paging request at virtual address 6b6b6b6b
pgd = c0004000
[<c0010000>] (memcpy+0x10/0x20) from [<c0020000>] (foo_send+0x1c/0x5c [foo])
[<c0020000>] (foo_send+0x1c/0x5c [foo]) from [<c0030000>] (foo_work+0x4/0x8 [foo])
"""
# ELFv1: a function's code has a dot before its name.
ELF_V1 = """
Unable to handle kernel paging request for data at address 0x00000010
NIP [c000000008068dfc] .foo_check+0x27c/0x390
LR [c000000008068df8] .foo_check+0x278/0x390
"""
# scripts/decode_stacktrace.sh
DECODED = """
BUG: kernel NULL pointer dereference, address: 00000000000000a0
RIP: 0010:memcpy (arch/x86/lib/memcpy_64.S:38)
Call Trace:
 <TASK>
? __die (arch/x86/kernel/dumpstack.c:421 arch/x86/kernel/dumpstack.c:434)
foo_send (drivers/foo/send.c:77 (discriminator 3)) foo
foo_work (drivers/foo/work.c:7) foo
"""
# As syzbot decodes one: the functions that were inlined come first, without an offset.
INLINED = """
BUG: KASAN: slab-use-after-free in foo_peek drivers/foo/send.c:7 [inline]
BUG: KASAN: slab-use-after-free in foo_send+0x1a/0x2b0 drivers/foo/send.c:77
Read of size 8 at addr ffff888100000000 by task foo/77
Call Trace:
 __dump_stack lib/dump_stack.c:88 [inline]
 dump_stack_lvl+0x1e7/0x2d0 lib/dump_stack.c:106
 foo_peek drivers/foo/send.c:7 [inline]
 foo_send+0x1a/0x2b0 drivers/foo/send.c:77
"""
FOUND_LEAK = f"""
kmemleak: 6 new suspected memory leaks (see /sys/kernel/debug/kmemleak)
usb 1-1: new device
{LEAK}
"""
LOCKUP = f"""
watchdog: BUG: soft lockup - CPU#0 stuck for 23s! [swapper:1]
RIP: 0010:foo_insert+0x34/0x8e
{trace("foo_test", "foo_init", "do_one_initcall", "kernel_init")}
Kernel panic - not syncing: softlockup: hung tasks
{trace("dump_stack", "panic", "watchdog_timer_fn", "__hrtimer_run_queues")}
"""
WORKER = f"""
BUG: workqueue lockup - pool cpus=0 node=0 flags=0x0 nice=0 stuck for 30s!
Showing backtraces of busy workers in stalled worker pools:
pool 2:
task:kworker/0:0     state:R  running task     stack:0     pid:7     ppid:2
Workqueue: events foo_work
{trace("foo_inner", "foo_loop", "foo_work", "process_one_work", "worker_thread", "kthread")}
"""
LEAKED_LOCK = f"""
BUG: workqueue leaked atomic, lock or RCU: kworker/0:1[12]
     preempt=0x00000001 lock=0->0 RCU=0->0 workfn=foo_work
{trace("dump_stack_lvl", "process_one_work", "worker_thread", "kthread")}
"""
POISON = """
=============================================================================
BUG kmalloc-64 (Not tainted): Poison overwritten
-----------------------------------------------------------------------------

INFO: Allocated in foo_new+0xa3/0x140 age=46310 cpu=6 pid=77
 kmem_cache_alloc+0x29d/0x2b0
 foo_new+0xa3/0x140
INFO: Freed in foo_put+0x27/0x30 age=46268 cpu=6 pid=77
 foo_put+0x27/0x30
"""
PAGE = f"""
BUG: Bad page state in process foo  pfn:41000
page: refcount:0 mapcount:1 mapping:0000000000000000 index:0x0 pfn:0x41000
page last allocated via order 0, migratetype Movable, gfp_mask 0x140cca, pid 77, ts 1, free_ts 0
 post_alloc_hook+0x1/0x2
 __alloc_pages+0x1/0x2
 foo_fill+0x1/0x2
page_owner free stack trace missing
{trace("dump_stack_lvl", "bad_page", "free_unref_page")}
"""
NO_PAGES = f"""
ndctl: page allocation failure: order:4, mode:0x40dc0(GFP_KERNEL|__GFP_COMP), nodemask=
CPU: 0 PID: 77 Comm: ndctl Not tainted 6.1.192 #2
{trace("dump_stack_lvl", "warn_alloc", "__alloc_pages_slowpath", "__kmalloc", "foo_probe")}
Mem-Info:
active_anon:0 inactive_anon:12 isolated_anon:0
"""
POISONED = f"""
pagealloc: memory corruption
00000000a1b2c3d4: 6b aa aa aa aa aa aa aa
CPU: 0 PID: 77 Comm: foo Not tainted 6.1.192 #2
{trace("dump_stack_lvl", "__kernel_unpoison_pages", "post_alloc_hook", "innocent")}
page:00000000a1b2c3d5 refcount:1 mapcount:0 mapping:0000000000000000 index:0x0 pfn:0x41000
page dumped because: pagealloc: corrupted page details
page last allocated via order 0, migratetype Movable, gfp_mask 0x140cca, pid 77, ts 1, free_ts 0
 post_alloc_hook+0x1/0x2
 foo_fill+0x1/0x2
"""
# print_bad_pte() until 6.17
BAD_MAP = f"""
BUG: Bad page map in process gup_test  pmd:8000000100200867
pgd:1 p4d:2 pud:3 pmd:4
addr:00007f1234567000 vm_flags:080400fb anon_vma:0000000000000000 index:0
file:dax0.0 fault:dev_dax_fault mmap:0x0 mmap_prepare:dax_mmap_prepare read_folio:0x0
CPU: 0 UID: 0 PID: 77 Comm: gup_test Not tainted 7.3.4 #2
{trace("dump_stack_lvl", "print_bad_page_map.cold", "vm_normal_page_pmd", "zap_huge_pmd")}
"""
NEW_PAGE = f"""
BUG: Bad page state in process foo  pfn:41000
page: refcount:0 mapcount:1 mapping:0000000000000000 index:0x0 pfn:0x41000
{trace("dump_stack_lvl", "bad_page", "check_new_page_bad", "rmqueue_bulk", "rmqueue", "foo_fill")}
"""
# mm/page_alloc.c and mm/slub.c as they are in 7.3
FREED_PAGE = f"""
BUG: Bad page state in process foo  pfn:41000
page: refcount:0 mapcount:1 mapping:0000000000000000 index:0x0 pfn:0x41000
{trace("dump_stack_lvl", "bad_page", "__free_frozen_pages", "free_frozen_pages", "foo_drop")}
"""
FREED_PAGES = f"""
BUG: Bad page state in process foo  pfn:41000
page: refcount:0 mapcount:1 mapping:0000000000000000 index:0x0 pfn:0x41000
{trace("dump_stack_lvl", "bad_page", "free_pcppages_bulk", "free_frozen_page_commit", "foo_drop")}
"""
SHEAF = f"""
Oops: general protection fault, probably for non-canonical address 0xdead000000000100: 0000 [#1]
RIP: 0010:barn_replace_empty_sheaf+0x1a/0x2b0
{trace("__pcs_replace_empty_main", "alloc_from_pcs", "kmem_cache_alloc_noprof", "foo_get")}
{END}
"""
PARTIAL = SHEAF.replace("barn_replace_empty_sheaf", "get_partial_node_bulk").replace(
    "__pcs_replace_empty_main", "refill_objects"
)
TABLE_CHECK = f"""
------------[ cut here ]------------
kernel BUG at mm/page_table_check.c:77!
Oops: invalid opcode: 0000 [#1] SMP
RIP: 0010:page_table_check_set.part.0+0x1a/0x2b0
{trace("__page_table_check_ptes_set", "foo_set_ptes")}
{END}
"""
# CONFIG_UBSAN_TRAP of x86
UBSAN_TRAP = f"""
UBSAN: array index out of bounds at foo_write+0x1a/0x2b0
Oops: invalid opcode: 0000 [#1] SMP NOPTI
RIP: 0010:foo_write+0x1a/0x2b0
{trace("foo_ioctl")}
{END}
"""
# riscv: only the panic shows a stack.
OVERFLOW = f"""
Insufficient stack space to handle exception!
Task stack:     [0xff20000000000000..0xff20000000004000]
CPU: 0 UID: 0 PID: 77 Comm: foo Not tainted 7.3.4 #2
epc : foo_descend+0x1a/0x2b0
 ra : foo_descend+0x1a/0x2b0
Kernel panic - not syncing: Kernel stack overflow
{trace("dump_backtrace", "panic", "handle_bad_stack")}
"""
S390_OVERFLOW = f"""
Kernel stack pointer invalid
CPU: 0 UID: 0 PID: 77 Comm: foo Not tainted 7.3.4 #2 PREEMPT
Krnl PSW : 0704d00180000000 00000000009e59e4 (foo_descend+0x464/0x5d0)
{trace("foo_descend", "foo_begin", "foo_ioctl", "__s390x_sys_ioctl", "system_call")}
Kernel panic - not syncing: Invalid kernel stack pointer, cannot continue
{trace("dump_stack_lvl", "vpanic", "panic", "kernel_stack_invalid")}
"""
PPC64_OVERFLOW = f"""
Oops: Kernel stack overflow, sig: 11 [#1]
NIP [c0000000008d1234] foo_descend+0x12/0x3f0
{trace("foo_descend", "foo_begin", "foo_ioctl", "sys_ioctl", "system_call_exception")}
{END}
"""
TWICE = f"""
sysfs: cannot create duplicate filename '/bus/dax/devices/dax0.0'
CPU: 0 PID: 77 Comm: ndctl Not tainted 6.1.192 #2
{trace("dump_stack_lvl", "sysfs_warn_dup.cold", "bus_add_device", "device_add", "foo_create")}
kobject: kobject_add_internal failed for dax0.0 with -EEXIST
"""
TWICE_WARNED = f"""
------------[ cut here ]------------
WARNING: CPU: 0 PID: 77 at fs/sysfs/dir.c:31 sysfs_warn_dup+0x64/0x80
sysfs: cannot create duplicate filename '/bus/dax/devices/dax0.0'
{trace("dump_stack", "sysfs_warn_dup", "foo_create_device")}
{END}
"""


@pytest.mark.parametrize(
    ("log", "title"),
    [
        (STALL, "INFO: rcu detected stall in foo_ioctl"),
        (STARVED, "INFO: rcu detected stall"),
        (LAST_RAN, "INFO: rcu detected stall in foo_ioctl"),
        (HANG, "INFO: task hung in foo_commit"),
        (LOCK_OF_ITS_OWN, "INFO: task hung in foo_bus_lock"),
        (HELD_LOCK, "INFO: task hung in foo_bus_lock"),
        (GRACE, "INFO: task hung in synchronize_rcu"),
        (DEADLOCK, "possible deadlock in foo_second"),
        (KASAN, "KASAN: slab-use-after-free Read in foo_remove"),
        (KCSAN, "KCSAN: data-race in foo_read / foo_write"),
        (REFCOUNT, "WARNING: refcount bug in foo_release"),
        (LEAK, "memory leak in foo_create"),
        (SLEEP, "BUG: sleeping function called from invalid context in foo_irq_thread"),
        (NO_SLEEP, "BUG: scheduling in a non-blocking section in foo_wait_for_it"),
        (ARM, "BUG: unable to handle kernel paging request in foo_copy"),
        (KUAP, "BUG: unable to handle kernel NULL pointer dereference on read in foo_read"),
        (OLD_ARM, "BUG: unable to handle kernel paging request in foo_send"),
        (ELF_V1, "BUG: unable to handle kernel paging request in foo_check"),
        (DECODED, "BUG: unable to handle kernel NULL pointer dereference in foo_send"),
        (INLINED, "KASAN: slab-use-after-free Read in foo_send"),
        (FOUND_LEAK, "memory leak in foo_create"),
        (LOCKUP, "BUG: soft lockup in foo_init"),
        (LEAKED_LOCK, "BUG: workqueue leaked lock or atomic in foo_work"),
        (WORKER, "BUG: workqueue lockup in foo_work"),
        (POISON, "slab: Poison overwritten (kmalloc-64) in foo_new"),
        (PAGE, "BUG: Bad page state in foo_fill"),
        (NO_PAGES, "page allocation failure in foo_probe"),
        (POISONED, "pagealloc: memory corruption in foo_fill"),
        (BAD_MAP, "BUG: Bad page map in zap_huge_pmd"),
        (NEW_PAGE, "BUG: Bad page state in foo_fill"),
        (FREED_PAGE, "BUG: Bad page state in foo_drop"),
        (FREED_PAGES, "BUG: Bad page state in foo_drop"),
        (SHEAF, "general protection fault in foo_get"),
        (PARTIAL, "general protection fault in foo_get"),
        (TABLE_CHECK, "kernel BUG in foo_set_ptes"),
        (UBSAN_TRAP, "UBSAN: array index out of bounds in foo_write"),
        (OVERFLOW, "kernel stack overflow in foo_descend"),
        (S390_OVERFLOW, "kernel stack overflow in foo_ioctl"),
        (
            S390_OVERFLOW.replace(" pointer invalid", " overflow."),
            "kernel stack overflow in foo_ioctl",
        ),
        (PPC64_OVERFLOW, "kernel stack overflow in foo_ioctl"),
        (TWICE, "sysfs: cannot create duplicate filename in foo_create"),
        (TWICE_WARNED, "WARNING in sysfs_warn_dup"),
    ],
)
def test_title_names_the_function_at_fault(log: str, title: str) -> None:
    assert [report.title for report in read(log_of(log))] == [title]


@pytest.mark.parametrize(
    ("symbol", "function"),
    [
        ("__x64_sys_mmap", "sys_mmap"),
        ("__arm64_sys_mmap", "sys_mmap"),
        ("__do_sys_mmap", "mmap"),
        ("SyS_mmap", "mmap"),
        ("foo_sys_probe", "foo_sys_probe"),
        ("foo_probe.constprop.0.isra.0", "foo_probe"),
        ("foo_probe.cold", "foo_probe"),
    ],
)
def test_function_has_one_name_on_every_build(symbol: str, function: str) -> None:
    (report,) = read(log_of(f"WARNING: CPU: 0 PID: 1 at mm/x.c:1 {symbol}+0x1/0x2\n{END}"))
    assert report.function == function


@pytest.mark.parametrize(
    "log",
    [
        "pages[0] is NOT dma-pinned\nWARNING: CPU: 0 PID: 77 at mm/gup_test.c:50 verify+0x1/0x2",
        "WARNING: mm/gup_test.c:50 at verify+0x1/0x2, CPU#0: gup/77\npages[0] is NOT dma-pinned",
    ],
    ids=["before-6.19", "since"],
)
def test_message_of_a_warning_says_what_it_is(log: str) -> None:
    text = f"------------[ cut here ]------------\n{log}\nRIP: 0010:verify+0x1/0x2\n{END}"
    (report,) = read(log_of(text))
    assert (report.kind, report.title) == ("gup-pin", "page NOT dma-pinned in verify")


@pytest.mark.parametrize(
    ("message", "title"),
    [
        ("BUG: foo has gone", "BUG: foo has gone in foo_put"),
        (
            "BUG: Dentry 00000000a1b2c3d4{i=7,n=foo}  still in use (1) [unmount of ext4 pmem0]",
            "BUG: Dentry still in use in unmount",
        ),
    ],
)
def test_message_of_a_warning_that_says_bug_is_no_second_report(message: str, title: str) -> None:
    until_6_18 = f"{message}\nWARNING: CPU: 0 PID: 77 at fs/foo.c:7 foo_put+0x1/0x2"
    since = f"WARNING: fs/foo.c:7 at foo_put+0x1/0x2, CPU#0: foo/77\n{message}"
    for said in (until_6_18, since):
        text = f"------------[ cut here ]------------\n{said}\nRIP: 0010:foo_put+0x1/0x2\n{END}"
        assert [report.title for report in read(log_of(text))] == [title]


def test_access_that_is_barred_as_well_is_the_same_failure() -> None:
    barred, _, rest = KUAP.strip().partition("\n")
    (one,), (other,) = read(log_of(KUAP)), read(log_of(rest))
    assert "attempted" in barred
    assert (one.kind, one.title, one.fingerprint) == (other.kind, other.title, other.fingerprint)


def test_speakers_have_a_report_each() -> None:
    first = log_of(KASAN, "[   T77]").splitlines(keepends=True)
    second = log_of(HANG, "[   T23]").splitlines(keepends=True)
    mixed = [line for pair in zip(first, second, strict=False) for line in pair]
    rest = [*first[len(second) :], *second[len(first) :]]
    titles = {report.title for report in read(b"".join([*mixed, *rest]))}
    assert titles == {
        "KASAN: slab-use-after-free Read in foo_remove",
        "INFO: task hung in foo_commit",
    }


def test_programs_that_print_in_between_end_no_report() -> None:
    begin, frames = KASAN.split("Call Trace:", 1)
    chatter = b"executing program 7\n" * 200
    log = log_of(begin) + chatter + log_of("Call Trace:" + frames)
    (report,) = read(log)
    assert report.function == "foo_remove"


def test_what_breaks_into_a_trace_is_a_report_and_ends_none() -> None:
    begin, frames = HANG.split(" schedule+", 1)
    wait = "unregister_netdevice: waiting for lo to become free. Usage count = 6\n"
    reports = read(log_of(f"{begin}{wait} schedule+{frames}"))
    assert [report.kind for report in reports] == ["hung-task", "netdevice-wait"]
    assert reports[0].function == "foo_commit"


def test_panic_that_names_the_exception_belongs_to_its_oops() -> None:
    """arch/arm64/kernel/traps.c: die()"""
    oops = "Internal error: synchronous external abort: 96000050 [#1] SMP\npc : foo+0x1/0x2"
    panic = "Kernel panic - not syncing: synchronous external abort: Fatal exception"
    (report,) = read(log_of(f"{oops}\n{END}\n{panic}"))
    assert report.title == "Internal error: synchronous external abort in foo"


def test_end_of_a_panic_is_no_second_one() -> None:
    begin = f"Kernel panic - not syncing: foo\n{trace('panic', 'foo_stop')}"
    warning = f"WARNING: kernel/smp.c:7 at smp_foo+0x1/0x2, CPU#0: foo/77\n{END}"
    end = "---[ end Kernel panic - not syncing: foo ]---"
    (report,) = read(log_of(f"{begin}\n{warning}\n{end}"))
    assert report.title == "kernel panic: foo"
    (cut,) = read(log_of(end))
    assert cut.title == "kernel panic: foo"


@pytest.mark.parametrize(
    "panic",
    [
        "KASAN: panic_on_warn set ...",
        "KASAN: system warned too often (kernel.warn_limit is 1)",
        "kasan.fault=panic set ...",
        "kasan.fault=panic_on_write set ...",
        "kmsan.panic set ...",
        "panic_on_taint set ...",
    ],
)
def test_panic_that_a_report_was_told_to_make_belongs_to_it(panic: str) -> None:
    """mm/kasan/report.c and its like: end_report(); kernel/panic.c: add_taint()"""
    line, rest = "=" * 66, trace("dump_stack_lvl", "vpanic", "panic", "end_report")
    (report,) = read(log_of(f"{KASAN}{line}\nKernel panic - not syncing: {panic}\n{rest}"))
    assert report.title == "KASAN: slab-use-after-free Read in foo_remove"
    assert report.severity == "fatal"


def test_panic_of_a_watchdog_belongs_to_its_report_however_much_it_shows() -> None:
    others = "".join(f"task:foo{number} state:S stack:0\n" for number in range(300))
    locks = "".join(f"{number} lock held by foo{number}/7:\n\n" for number in range(100))
    panic = "Kernel panic - not syncing: hung_task: blocked tasks"
    log = HANG + "usb 1-1: new device\n" * 40 + others + locks + panic
    (report,) = read(log_of(log))
    assert report.title == "INFO: task hung in foo_commit"
    assert report.severity == "fatal"


def test_panic_of_a_workqueue_belongs_to_its_lockup() -> None:
    """kernel/workqueue.c: panic_on_wq_watchdog()"""
    pools = "".join(f"workqueue foo{number}: flags=0x0\n  pwq {number}:\n" for number in range(40))
    panic = "Kernel panic - not syncing: workqueue: 1 stall(s) exceeded threshold 1\n"
    found = read(log_of(WORKER + pools + panic + trace("panic", "wq_watchdog_timer_fn")))
    assert [report.title for report in found] == ["BUG: workqueue lockup in foo_work"]
    assert found[0].severity == "fatal"


@pytest.mark.parametrize(
    ("log", "inner"),
    [(STALL, " foo_spin+0x1/0x20\n"), (LOCKUP, " foo_test+0x1a/0x2b0\n"), (WORKER, " foo_inner+")],
    ids=["rcu", "soft", "workqueue"],
)
def test_loop_is_one_failure_wherever_it_was_caught(log: str, inner: str) -> None:
    elsewhere = log.replace(inner, f" foo_other+0x1/0x2\n foo_deeper+0x1/0x2\n{inner}")
    (found,), (other,) = read(log_of(log)), read(log_of(elsewhere))
    assert log != elsewhere
    assert found.function == other.function
    assert found.fingerprint == other.fingerprint


def out_of_memory(program: str, *functions: str) -> str:
    asked = f"{program} invoked oom-killer: gfp_mask=0x140dca, order=0, oom_score_adj=0"
    killed = f"Out of memory: Killed process 77 ({program})"
    return f"{asked}\n{trace('dump_header', 'out_of_memory', *functions)}\n{killed}"


def test_out_of_memory_is_one_failure_whoever_asked_last() -> None:
    (found,) = read(log_of(out_of_memory("foo", "do_anonymous_page")))
    (other,) = read(log_of(out_of_memory("foo", "pte_alloc_one", "__pte_alloc")))
    (another,) = read(log_of(out_of_memory("bar", "do_anonymous_page")))
    assert found.fingerprint == other.fingerprint != another.fingerprint


def test_race_is_one_failure_whichever_side_is_shown_first() -> None:
    title = "BUG: KCSAN: data-race in foo_read / foo_write\n"
    write = "write to 0xffff888100000000 of 8 bytes by task 77 on cpu 0:\n foo_write+0x1/0x2\n"
    reading = "read to 0xffff888100000000 of 8 bytes by task 78 on cpu 1:\n foo_read+0x1/0x2\n"
    sides = f"{write} bar+0x1/0x2\n", f"{reading} baz+0x1/0x2\n"
    (found,) = read(log_of(title + sides[0] + sides[1]))
    (other,) = read(log_of(title + sides[1] + sides[0]))
    assert found.fingerprint == other.fingerprint


def test_leaks_that_were_counted_are_told_when_they_are_listed() -> None:
    count = "kmemleak: 6 new suspected memory leaks (see /sys/kernel/debug/kmemleak)\n"
    chatter = "usb 1-1: new device\n" * 600
    assert [report.function for report in read(log_of(count + chatter))] == [None]
    assert [report.function for report in read(log_of(count + chatter + LEAK))] == ["foo_create"]
    said = b"BUG: memory leak\n"
    assert [report.function for report in read(log_of(count + chatter) + said)] == [None]


def test_stack_may_come_late_on_a_busy_console() -> None:
    begin, rest = DECODED.split("RIP", 1)
    chatter = "".join(f"usb 1-{port}: new device\n" for port in range(60))
    (report,) = read(log_of(f"{begin}{chatter}RIP{rest}"))
    assert report.function == "foo_send"


def test_report_that_another_cuts_off_was_in_the_same_place() -> None:
    warning = "WARNING: CPU: 1 PID: 77 at kernel/x.c:1 helper_of_stalls+0x1/0x2"
    stall, _, rest = STALL.strip().partition("Call Trace:")
    stall += "CPU: 1 PID: 77 Comm: foo Not tainted 6.1.192 #2\n"
    log = f"{stall}------------[ cut here ]------------\n{warning}\nCall Trace:{rest}\n{END}"
    first, second = read(log_of(log))
    assert first.title == "INFO: rcu detected stall in foo_ioctl"
    assert second.title == "WARNING in helper_of_stalls"
