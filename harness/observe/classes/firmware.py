"""Firmware and boot code: SLOF, EDK2 (arm64, x86), s390."""

from __future__ import annotations

from harness.observe.classes.rows import fatal

FIRMWARE = (
    fatal("firmware", "firmware: {what}", r"\( [0-9a-f]{3} \) (?P<what>\w[\w ]* Exception)"),
    fatal("firmware", "firmware: {what}", r"(?P<what>Synchronous Exception|SError Exception) at "),
    fatal("firmware", "firmware: {what}", r"(?P<what>X64 Exception Type - [0-9A-F]{2})"),
    fatal("disabled-wait", "s390 disabled wait", r"[Dd]isabled wait"),
    fatal("oops", "boot code fault", r"Kernel fault: interruption code [0-9a-f]{4}"),
)
