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
HANG = f"""
INFO: task foo:77 blocked for more than 120 seconds.
      Not tainted 6.1.192 #2
{trace("__schedule", "schedule", "rwsem_down_write_slowpath", "down_write", "foo_commit")}
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
ARM = """
Unable to handle kernel paging request at virtual address 6b6b6b6b
PC is at memcpy+0x4/0x330
LR is at foo_copy+0x10/0x20
[<80b10c70>] (memcpy) from [<8062eec8>] (foo_copy+0x10/0x20)
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


@pytest.mark.parametrize(
    ("log", "title"),
    [
        (STALL, "INFO: rcu detected stall in foo_ioctl"),
        (HANG, "INFO: task hung in foo_commit"),
        (GRACE, "INFO: task hung in synchronize_rcu"),
        (DEADLOCK, "possible deadlock in foo_second"),
        (KASAN, "KASAN: slab-use-after-free Read in foo_remove"),
        (KCSAN, "KCSAN: data-race in foo_read / foo_write"),
        (REFCOUNT, "WARNING: refcount bug in foo_release"),
        (LEAK, "memory leak in foo_create"),
        (SLEEP, "BUG: sleeping function called from invalid context in foo_irq_thread"),
        (ARM, "BUG: unable to handle kernel paging request in foo_copy"),
        (PAGE, "BUG: Bad page state in foo_fill"),
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


def test_report_that_another_cuts_off_was_in_the_same_place() -> None:
    warning = "WARNING: CPU: 1 PID: 77 at kernel/x.c:1 helper_of_stalls+0x1/0x2"
    stall, _, rest = STALL.strip().partition("Call Trace:")
    log = f"{stall}------------[ cut here ]------------\n{warning}\nCall Trace:{rest}\n{END}"
    first, second = read(log_of(log))
    assert first.title == "INFO: rcu detected stall in foo_ioctl"
    assert second.title == "WARNING in helper_of_stalls"
