"""Which function of a stack stands for a loop or a wait, rather than where it was met.

A CPU that is stuck is caught anywhere within its loop, and the innermost frames change
with every run. What stays is the outermost function of the subsystem: the one right
beneath the kernel's dispatchers, which call whatever file, socket, timer or work they
are given.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import takewhile

# System call entries: arch/*/entry, arch/arm64/kernel/syscall.c.
_CALLED = (
    r"do_(?:fast_)?syscall_\w+|sysenter_\w+|tracesys\w*|el0_svc\w*|invoke_syscall|ret_fast_syscall",
    r"entry_(?:SYSCALL|SYSENTER|INT80)\w*|system_call\w*|x64_sys_call|ia32_sys_call|handle_sys\w*|sys(?:call)?_call",
)
_DISPATCHERS = re.compile(
    "|".join(
        (
            *_CALLED,
            # fs/read_write.c, ioctl.c, open.c, file_table.c: calls into file_operations.
            r"(?:__|do_)?vfs_(?:read|write|iter_read|iter_write|ioctl|open)\w*|k?sys_ioctl|do_iter_(?:read|write|readv_writev)\w*",
            r"call_(?:read|write)_iter|new_sync_(?:read|write)|\w*(?:compat|compat_sys|blkdev|blkdev_driver)_ioctl\w*",
            r"do_dentry_open|full_proxy_\w+|_*fput\w*|(?:sys_)?ioctl",
            # mm/mmap.c, mm/memory.c: calls into vm_operations.
            r"call_mmap|_*mmap_region|do_mmap\w*|_*do_fault|(?:exc_|do_|handle_)?page_fault|do_user_addr_fault",
            # net/socket.c, net/core: calls into proto_ops and packet handlers.
            r"_*sock_(?:sendmsg|recvmsg|release|mmap|do_ioctl|ioctl|common_setsockopt)\w*|compat_sock_ioctl|sk_common_release",
            r"(?:do_sock_|kernel_)?setsockopt|(?:kernel_)?(?:listen|accept)|(?:sys_)?(?:socketpair|connect(?:_file)?)",
            r"nfnetlink_rcv_msg|rtnetlink_rcv_msg|netlink_dump|_*netif_receive_skb\w*",
            # kernel/workqueue.c, task_work.c, softirq.c, time/, smp.c, kthread.c, the idle loop.
            r"process_one_work|task_work_run|exit_to_user\w*|_*do_softirq\w*|handle_softirqs|run_ksoftirqd|tasklet_(?:hi_)?action\w*",
            r"call_timer_fn|_*run_timers\w*|run_timer_softirq|_*hrtimer_run\w*|smpboot_thread_fn|kthread",
            # init/main.c, kernel/module: init functions.
            r"do_one_initcall|do_init_module",
            r"start_secondary|cpu_startup_entry|ret_from_fork\w*",
        )
    )
)
_CROSS_CALL = re.compile(r"\w*smp_call_function\w*")
# kernel/rcu: many waiters of one grace period, all of them victims.
_GRACE_PERIOD = re.compile(r"_*synchronize_(?:s?rcu|net|sched)\w*")
_ROUTING_LOCK = re.compile(r"rtnl_lock\w*")
_WAITING = re.compile(
    r"\w*(?:sched|_lock|_slowlock|rwsem|completion|wait|synchronize|down_|_down|kthread)\w*"
    r"|_*down|context_switch|__switch_to|_*cancel_delayed_work\w*|\w*rcu_barrier\w*"
)
# Where a task began, or came into the kernel, which is below all that it does.
_OUTERMOST = re.compile("|".join((*_CALLED, r"__do_syscall|kthread|ret_from_\w+")))


def stalled_function(frames: Sequence[str]) -> str | None:
    """The function beneath the first dispatcher of a stack; innermost frames come first."""
    for index, frame in enumerate(frames):
        if _CROSS_CALL.fullmatch(frame):
            return "smp_call_function"
        if is_dispatcher(frame):
            return frames[max(0, index - 1)]
    return None


def is_dispatcher(function: str) -> bool:
    """Whether a function only calls what it is given."""
    return _DISPATCHERS.fullmatch(function) is not None


def is_waiting(function: str) -> bool:
    """Whether a function only waits for what its caller wants."""
    return _WAITING.fullmatch(function) is not None


def waiting_function(frames: Sequence[str]) -> str | None:
    """What a task waits for: a grace period, the routing lock, or its first own function.

    The outermost, where all have names of what waits: a lock of a subsystem's own.
    """
    own = list(takewhile(lambda frame: not _OUTERMOST.fullmatch(frame), frames))
    for frame in own:
        if _GRACE_PERIOD.fullmatch(frame):
            return "synchronize_rcu"
        if _ROUTING_LOCK.fullmatch(frame):
            return frame
    return next((frame for frame in own if not is_waiting(frame)), next(reversed(own), None))
