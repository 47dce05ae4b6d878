"""KASAN, KFENCE, KMSAN, KCSAN, UBSAN (mm/*/report.c, kernel/kcsan/report.c, lib/ubsan.c)."""

from __future__ import annotations

import re

from harness.observe.classes.rows import FUNCTION, error
from harness.observe.locate import in_stack, in_trace, named_then_trace
from harness.observe.report_class import ReportClass

_ACCESS = r"(?P<access>Read|Write) (?:of size|at addr)"
# mm/kasan/sw_tags.c, hw_tags.c: found in a fault's handler, which is on the stack as well.
_FAULT = r"(?:kernel_fault|.*tag_check.*|.*mem_abort.*)"
_FREE = r"slab_\w+|kfree\w*|vunmap\w*|vfree\w*"
# lib/crypto, crypto/: they meet what their callers left unset.
_CIPHER = r"\w*_encrypt|(?:crypto|cipher|drbg|rng)_\w+|alloc_skb\w*|netlink_(?:ack|rcv_skb)"
_USB = r"_*alloc_skb\w*|usb_(?:submit_urb|start_wait_urb|bulk_msg|interrupt_msg|control_msg)"

SANITIZERS = (
    error(
        "kasan",
        "KASAN: invalid-free",
        rf"BUG: KASAN: (?:double-free or invalid-free|double-free|invalid-free) in {FUNCTION}",
        where=named_then_trace,
        skip=_FREE,
    ),
    error(
        "kasan",
        "KASAN: {what} {access}",
        rf"BUG: KASAN: (?P<what>[\w -]+?) in {FUNCTION}",
        where=named_then_trace,
        skip=_FAULT,
        detail=_ACCESS,
    ),
    error(
        "kasan",
        "KASAN: {what} {access}",
        r"BUG: KASAN: (?P<what>[\w-]+)",
        where=in_trace,
        skip=_FAULT,
        detail=_ACCESS,
    ),
    error(
        "kfence",
        "KFENCE: {what}",
        rf"BUG: KFENCE: (?P<what>[\w -]+?) in {FUNCTION}",
        where=in_stack,
    ),
    error("kfence", "KFENCE: {what}", r"BUG: KFENCE: (?P<what>[\w -]+)", where=in_stack),
    error(
        "kmsan",
        "KMSAN: {what}",
        rf"BUG: KMSAN: (?P<what>kernel-usb-infoleak) in {FUNCTION}",
        where=in_stack,
        skip=_USB,
    ),
    error(
        "kmsan",
        "KMSAN: {what}",
        rf"BUG: KMSAN: (?P<what>[\w -]+?) in {FUNCTION}",
        where=in_stack,
        skip=_CIPHER,
    ),
    ReportClass(
        "kcsan",
        "KCSAN: {what} in {function} / {other}",
        "error",
        re.compile(rf"BUG: KCSAN: (?P<what>data-race) in {FUNCTION} / (?P<other>[\w.]+)"),
        located=False,
    ),
    error("kcsan", "KCSAN: {what}", rf"BUG: KCSAN: (?P<what>[\w: -]+?) in {FUNCTION}"),
    error(
        "ubsan",
        "UBSAN: {what}",
        r"UBSAN: (?P<what>[A-Za-z][\w -]+?) in \S+:\d+",
        where=in_trace,
        skip=r"\w*ubsan\w*|\w*overflow\w*",
    ),
    # CONFIG_UBSAN_TRAP: handle_bug() in arch/x86/kernel/traps.c, ubsan_handler() in arm64's
    error(
        "ubsan",
        "UBSAN: {what}",
        rf"UBSAN: (?P<what>[A-Za-z][\w /-]+?)(?: at {FUNCTION}|: [0-9a-f]+ \[#\d+\])",
        severity="fatal",
    ),
)
