"""Functions that say nothing of what went wrong, because they only do it for others.

Each family is a part of the kernel whose functions work on their caller's objects: a
complaint in one of them is about who called it. The names are the kernel's own, 4.x to 7.x.
"""

from __future__ import annotations

import re
from functools import lru_cache

# How a failure is noticed and told: lib/dump_stack.c, kernel/panic.c, lib/bug.c, traps.
_REPORTING = (
    r"_*(?:dump|show|print)_(?:stack|regs|trace|backtrace|bug|report|address|tainted|bad_p(?:te|age))\w*",
    r"dump_\w*|unwind_backtrace|walk_stackframe|_*(?:stack_trace|save_stack|arch_stack)\w*",
    r"_*warn(?:_slowpath|_printf|_bogus|_alloc|_on)?\w*|_*report_bug\w*|fixup_bug|handle_bug",
    r"\w*panic\w*|_*die\w*|oops_\w+|bust_spinlocks|spin_(?:dump|bug)|rwlock_bug",
    r"check_panic_on_warn|is_valid_bugaddr|get_taint|print_(?:unlock|usage|circular|lock)\w*",
    r"(?:arch_)?trigger_\w*backtrace\w*|_*nmi_\w+|sched_show\w+|debug_show\w+|_*bad_page\w*|__schedule_bug",
    r"print_\w+_(?:bug|dependency|stall)|print_collision|check_cpu_stall|schedule_debug",
    r"watchdog_(?:hardlockup_check|overflow_callback)|csd_lock_wait_toolong|__report_bad_irq|poison_error",
    r"print_trailer|oom_kill_process|out_of_memory|mem_cgroup_o(?:ut_of_memory|om)",
    r"\w*printk\w*|_*dev_(?:info|notice|warn|err|alert|crit|emerg|dbg)",
    r"assfail|\w*assertfail|__fortify_\w+|fortify_panic|__stack_chk_fail\w*|__check_stack\w*",
    r"check_preemption_disabled|debug_smp_processor_id|__this_cpu_preempt_check|preempt_\w+",
    r"_*might_(?:sleep|fault|resched|alloc)\w*|_*cond_resched\w*|__cant_\w+|trace_\w+|perf_trace\w*|rust_helper_BUG",
)
# Instrumentation: mm/kasan, kmsan, kcsan, kfence, lib/ubsan.c, kernel/kcov.c.
_CHECKING = (
    r"\w*(?:kasan|hwasan|_asan|kmsan|__msan|kfence|ubsan|kcsan|sanitizer)\w*|check_memory_region",
    r"memory_is_\w+|instrument_\w+|_*(?:read|write)_once_\w+|read_word_at_a_time|kcov_\w+",
    r"_*debug_(?:object|print_object|check_no_obj|objects)\w*|_*check_(?:object|heap_object)\w*",
    r"_*(?:timer|work|hrtimer|percpu_counter|rcu_head)_is_static_object|overflow_\w+",
    r"_*check_object_size|usercopy_\w+|_*refcount_\w+|_*kref_\w+|ref_tracker\w*|_*seqprop_\w+",
    r"_*(?:k?csan|hwsan|tsan)_\w+|_*page_table_check_\w+|check_(?:canary|poison_mem|pad_bytes|element)\w*",
)
# The way from the instruction to the kernel's trap handler, and back.
_ENTRY = (
    r"(?:asm_)?(?:exc|sysvec|idt?entry|xen)_\w+|_*handle_(?:exception|page_fault|irq\w*)",
    r"\w*_trap|do_trap\w*|do_error\w*|do_invalid_op|invalid_op|math_error|error_entry|ret_from_\w+",
    r"(?:x86|arm64|do)_(?:\w+_)?(?:fault|abort|exception|serror)\w*|do_(?:bad|mem)_\w+|do_page_fault",
    r"_*do_(?:user_addr|kern_addr|kernel|translation|tag_check)_?\w*|_*do_(?:pgm_check|bad_area)\w*",
    r"(?:page_fault|no_context|mm_fault_error|spurious)\w*|error_code|kernel_fault",
    r"general_protection|divide_error|double_fault|stack_segment|int3|search_exception\w*",
    r"el[01](?!_svc|t_\d+_svc)\w*|(?:bug|brk|break|ubsan|kasan)_handler|call_break_hook|brk_handler",
    r"program_check_\w+|data_access_\w+|interrupt_return\w*|machine_check\w*|alignment_\w+",
    r"pgm_check_handler|monitor_event_exception|bad_stack\w*|_new_vmalloc_restore_context_\w+",
    r"__x86_indirect_\w+|\w*_indirect_thunk_\w+|__switch_to\w*|0x[0-9a-f]+",
)
# mm/slub.c, slab_common.c, page_alloc.c, vmalloc.c, mempool.c, filemap.c, lib/iov_iter.c.
_MEMORY = (
    r"\w*(?:k|v|kv)[mzc]alloc\w*|\w*krealloc\w*|_*kv?free(?:_sensitive)?",
    r"_*kmem_cache_\w+|kmemleak_\w+|k?v?memdup\w*",
    r"_*(?:slab|object|allocate_slab|new_slab|obj_cgroup)_?\w*|cache_(?:alloc|free|grow)\w*|set_track\w*",
    r"_*slub?_\w+|check_(?:bytes|slab|object)\w*|free_(?:to_partial|consistency|debug|block)\w*",
    r"alloc_(?:consistency|debug)\w*|on_freelist|memcg_slab\w*|create_object",
    r"_*alloc_(?:frozen_)?pages?\w*|\w*alloc_pages?(?:_\w+)?|get_page_from_freelist|prep_new_page",
    r"get_(?:any_)?partial(?:_node\w*)?|get_from_\w*partial\w*|deactivate_slab|_*unfreeze_partials|put_cpu_partial|get_freelist\w*",
    r"_*(?:free|discard)_slab|alloc_from_new_slab|_*refill_objects\w*|kv?free_call_rcu\w*",
    r"(?:alloc_from|(?:can_)?_*free_to)_pcs\w*|_*pcs_(?:flush|install|replace|destroy)\w*|barn_\w+|(?!rcu_free)\w*sheaf\w*",
    r"check_(?:new|free)_page\w*|check_(?:new_pcp|pcp_refill)|_*rmqueue\w*|_*filemap_(?:unaccount|remove)_folio",
    r"post_alloc_hook|_*get_free_pages?\w*|get_zeroed_page\w*|_*free_(?:one_|frozen_)?pages?\w*|mempool_\w+",
    r"free_(?:pcp|unref_|tail_page)\w*",
    r"_*folio_(?:alloc|unlock)\w*|filemap_alloc_folio\w*|_*filemap_get_folio\w*|find_or_create_page",
    r"do_read_cache_folio|_*read_cache_page\w*|pagecache_get_page|grab_cache_page\w*|find_lock_entries",
    r"truncate_inode_pages_range|_*phys_addr\w*|kasprintf|kvasprintf\w*|kstr(?:n?dup|dup_const)\w*",
    r"_*mem(?:cpy|set|move|cmp|chr|scan|dup|chr_inv)(?:16|32|64)?(?:_(?:orig|erms|power\d|mc|toio|fromio|io|vmx|std|head))?|_*strn?l?s?(?:len|cmp|cpy|cat|chr|str|dup|casecmp|copy)\w*",
    r"str(?:rchr|nchr|nlen|nstr|scpy|lcpy|ncpy|sep|pbrk|spn)\w*|_*(?:copy_(?:mc|page|folio)?_?)?(?:to|from)_(?:user|iter)\w*",
    r"_*arch_\w*copy_\w+|\w*copy_\w*(?:user|iter)\w*|copy(?:in|out)|\w*(?:put|get)_user(?:_(?:\d|asm|nocheck|nofault|size|bad))*|copy_page\w*",
    r"_*(?:raw_)?(?:read|write)[bwlq]|logic_(?:in|out)\w*|crc\d\w*|crc_itu_t|rep_(?:movs|stos)\w*|fault_in_\w+",
    r"\w+_(?:strn?(?:case)?cmp|memcmp|memcpy)|nla_(?:mem|str)\w+|extract_(?:user|iter)_to_sg|hex_dump_to_buffer|print_hex_dump\w*",
)
# kernel/locking, include/linux/spinlock.h and friends, kernel/sched/wait.c.
_LOCKING = (
    r"\w*(?:spin|read|write|rwlock)_(?:un|try)?lock\w*|\w*queued_\w*lock\w*|arch_spin_\w+",
    r"\w*raw_spin_rq\w*|_*lock_(?:acquire|release|acquired|contended|class|page|timer_base)\w*",
    r"(?:debug)?_*lockdep_\w+|mark_(?:lock|usage|held|irqflag)\w*|\w*_held_locks\w*|valid_state|validate_chain",
    r"check_(?:prev|irq|deadlock|noncircular|usage|wait_context|flags|chain)\w*|register_lock_class|look_up_lock\w*",
    r"add_(?:chain_cache|lock_to_list)|alloc_list_entry|save_trace|count_matching_names|assign_lock_key|find_lock_\w+|static_obj|_*(?:rt_)?mutex_\w+|osq_\w+|owner_on_cpu|rwsem_\w+|_*percpu_(?:down|up)\w*",
    r"_*(?:down|up)(?:_(?:read|write|interruptible|killable|timeout|trylock)\w*)?|_*(?:local_)?bh_(?:en|dis)able\w*",
    r"_*local_bh_\w+|_*wake_up(?!_new_task)\w*|_*complete(?:_all)?|swake_up\w*|_*wait_for_\w*completion\w*|finish_wait|prepare_to_wait\w*",
    r"_*(?:un)?lock_page\w*|(?:un)?lock_(?:task|process)_\w*|(?:trace|lockdep)_(?:hard|soft)irq\w*|trace_hardirqs\w*",
    r"_*(?:set|clear|change|test)_(?:and_\w+_)?bit\w*|_*(?:arch_|raw_)?atomic(?:64|_long)?_\w+|debug_check_no_locks\w*",
    r"imbalance_bug|seqcount_\w+|rcu_lock_(?:acquire|release)|hlock_class|print_\w*deadlock\w*|debug_locks_off|debug_(?:spin|mutex)\w*",
)
# lib/list_debug.c, rbtree.c, xarray.c, klist.c, kobject.c, vsprintf.c, refcount users,
# kernel/workqueue.c, kernel/time/timer.c, drivers/base, fs/inode.c and dcache.c.
_OBJECTS = (
    r"_*h?list_(?:add|del|replace|move|splice|empty|lru_add|head|entry)\w*|_*rb_\w+|xas_\w+|_*xa_(?:load|store|find)\w*",
    r"rhashtable_lookup\w*|_*rhashtable_(?:lookup|insert)\w*|klist_\w+|plist_\w+|_*kobject_\w+|kset_\w+|add_uevent_var|ida_(?:free|alloc)\w*|idr_get_(?:empty_slot|free)\w*",
    r"vs?c?n?printf|_*s[nc]?n?printf|va_format|pointer|\w*string(?:_nocheck)?|format_decode|number",
    r"flush_work(?:queue)?\w*|check_flush_dependency|_*flush_work\w*|drain_workqueue|destroy_workqueue|_*cancel_work\w*|_*cancel_delayed_work\w*",
    r"try_to_grab_pending|_*queue_(?:delayed_)?work\w*|insert_work|work_grab_pending|start_flush_work|kthread_stop",
    r"_*(?:del|mod|add)_timer\w*|_*timer_delete\w*|_*try_to_del_timer\w*|timer_(?:shutdown|reduce|wait)\w*|sk_stop_timer\w*",
    r"device_(?:add|add_disk|del|unregister|destroy|release|remove_file|for_each_child|initialize)|get_device_parent|put_device",
    r"devres_release_all|\w*sysfs_remove\w*|hwrng_unregister|i2c_del_adapter|__unregister_client|tty_unregister_device",
    r"rollback_registered\w*|unregister_netdev\w*|usb_(?:control_msg|kill_urb|kill_anchored_urbs|hcd_submit_urb|submit_urb)",
    r"dummy_urb_enqueue|iput(?:_final|\.\w+)?|ihold|drop_nlink|\w*atomic_dec_and_lock\w*|(?:fast_)?dput|mark_buffer_dirty|kfree_skb\w*|cleanup_srcu_struct",
)
# Not compiled here: that takes as long as a third of all other expressions, and a console
# without a report needs none of it.
_REPORTERS = "|".join(_REPORTING)
_HELPERS = "|".join((*_REPORTING, *_CHECKING, *_ENTRY, *_MEMORY, *_LOCKING, *_OBJECTS))
_REMEMBERED = 4096  # the same few functions are in most traces, and each takes long to judge


def is_reporter(function: str) -> bool:
    """Whether a function only tells of what went wrong."""
    return re.fullmatch(_REPORTERS, function) is not None


@lru_cache(_REMEMBERED)
def is_helper(function: str) -> bool:
    """Whether a function only reports, checks, copies, locks or keeps lists for others."""
    return re.fullmatch(_HELPERS, function) is not None
