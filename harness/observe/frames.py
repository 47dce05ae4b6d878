"""Functions named by a kernel's registers and stack traces, on every architecture.

Addresses, offsets and the suffixes of compiler clones (``.isra.0``) are dropped, so that
one function has one name on every build.
"""

from __future__ import annotations

import re

_NAME = r"(?P<name>[A-Za-z_$][\w$.]*)\+0x[0-9a-f]+/0x[0-9a-f]+"
_CLONE = re.compile(r"(?:\.(?:isra|constprop|part|cold|llvm|lto_priv|localalias)(?:\.\d+)*)+$")

# Where the kernel was: x86, arm64, powerpc, s390. A user's RIP has selector 0033, and no
# name; powerpc prints NIP without a name first.
_COUNTER = re.compile(
    r"(?:RIP: (?:0010|e030):|\bpc : |\bNIP \[[0-9a-f]+\] |Krnl PSW : [0-9a-f ]+\()" + _NAME
)

# Where it came from, which is what tells after a jump to nowhere: arm64, powerpc.
_LINK = re.compile(r"(?:\blr : |\bLR \[[0-9a-f]+\] )" + _NAME)

# One line of a stack trace. Lines with "?" are what was found on the stack beside the
# trace; powerpc marks such a line behind the name.
_FRAME = re.compile(
    r"\s*\(?(?:\[<?[0-9a-f]{8,}>?\]\s+)*" + _NAME + r"(?P<doubt>\s+\(unreliable\))?"
)

# Functions that say nothing of what went wrong, because they do it for others.
_REPORTING = (
    r"_*(?:dump_stack|show_stack|show_regs|warn|report_bug|handle_bug|v?panic|die|print_)\w*",
    r"_*(?:kasan|asan|kcsan|kmsan|ubsan|kfence)_\w+|check_memory_region|check_panic_on_warn",
    r"trigger_\w*backtrace\w*|_*nmi_\w+|sched_show\w+|lockdep_\w+|dump_(?:page|header)",
    r"bad_page\w*|out_of_memory|oom_kill_process|watchdog_timer_fn|__might_\w+|__schedule_bug",
)
_ENTRY = (
    r"(?:asm_)?(?:exc|sysvec)_\w+|(?:x86|arm64|do)_(?:\w+_)?(?:fault|trap|abort|exception)\w*",
    r"_*do_(?:user_addr_fault|kern_addr_fault|kernel_fault|page_fault|pgm_check|bad_area)\w*",
    r"(?:page_fault|no_context|bad_area|oops_end|fixup_bug)\w*|error_code|kernel_fault",
    r"el[01]\w*_64_sync\w*|el[01]h?_\w+|(?:bug|brk|ubsan)_handler|call_break_hook",
    r"program_check_\w+|data_access_\w+|interrupt_return\w*",
    r"pgm_check_handler|monitor_event_exception",
)
_MEMORY = (
    r"_*mem(?:cpy|set|move|cmp|chr|set64|set16)(?:_orig|_erms|_power7)?|_*str(?:len|cmp|cpy)",
    r"_*arch_\w*copy_\w+|_*copy_\w*user\w*|_*alloc_pages\w*",
    r"k(?:v?m|z|c)alloc\w*|kfree\w*|kmem_cache_(?:alloc|free)\w*|(?:object|slab)_err",
    r"_*slab_\w+|check_(?:bytes_\w+|object|slab)|free_to_partial_list|on_freelist",
    r"(?:free|alloc)_(?:consistency_checks|debug_processing)",
)
_WAITING = (
    r"_*(?:raw_)?(?:spin|read|write)_(?:un)?(?:try)?lock\w*|arch_spin_\w+",
    r"(?:native_)?queued_spin_lock_slowpath|_*lock_acquire\w*|lock_release|mark_lock\w*",
    r"check_\w*lock\w*|validate_chain|_*mutex_lock\w*|rwsem_down_\w+|down_(?:read|write)\w*",
    r"_*schedule(?:_\w+)?|io_schedule\w*|preempt_schedule\w*|__switch_to|_*wait_for_com\w+",
    r"do_wait_for_common|_*(?:bit_)?wait(?:_on)?_bit\w*|wait_on_page\w*|folio_wait_\w+",
    r"rcu_(?:dump|check|sched_clock)_\w+|print_cpu_stall\w*|update_process_times|tick_\w+",
    r"_*hrtimer_\w+",
)
_HELPERS = re.compile("|".join((*_REPORTING, *_ENTRY, *_MEMORY, *_WAITING)))


def plain_name(symbol: str) -> str:
    """A function's name without what a compiler put behind it."""
    return _CLONE.sub("", symbol)


def is_helper(function: str) -> bool:
    """Whether a function only reports, copies, locks or waits for others."""
    return _HELPERS.fullmatch(function) is not None


def find_counter(line: str) -> str | None:
    """The function that a line of registers says the kernel was in."""
    match = _COUNTER.search(line)
    return plain_name(match["name"]) if match else None


def find_link(line: str) -> str | None:
    """The function that a line of registers says the kernel would return to."""
    match = _LINK.search(line)
    return plain_name(match["name"]) if match else None


def find_frame(line: str) -> str | None:
    """The function of one line of a stack trace; None for one that may not belong to it."""
    match = _FRAME.match(line)
    if match is None or match["doubt"]:
        return None
    return plain_name(match["name"])
