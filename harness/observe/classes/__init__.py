"""The table of everything a kernel, or the firmware before it, complains with.

A row is found by its marker in one line without its printk prefix; the first row that
matches counts. Sources are the kernel's own format strings, 4.x to 7.2. Rows are kept by
family, a module each; the more telling families come first.
"""

from __future__ import annotations

import re

from harness.observe.classes.faults import FAULTS
from harness.observe.classes.firmware import FIRMWARE
from harness.observe.classes.locking import LOCKING
from harness.observe.classes.memory import MEMORY
from harness.observe.classes.objects import OBJECTS
from harness.observe.classes.panics import PANIC, PANICS
from harness.observe.classes.sanitizers import SANITIZERS
from harness.observe.classes.stalls import STALLS
from harness.observe.classes.traps import TRAPS, UNSORTED
from harness.observe.report_class import ReportClass

CLASSES: tuple[ReportClass, ...] = (
    *PANICS,
    PANIC,
    *SANITIZERS,
    *OBJECTS,
    *LOCKING,
    *FAULTS,
    *STALLS,
    *MEMORY,
    *FIRMWARE,
    *TRAPS,
    *UNSORTED,
)

# What any marker contains; most lines hold none of it and are not looked at again.
_ANY = re.compile(
    r"BUG|WARNING|INFO: |panic|nable to handle|ernel (?:attempted|tried|NULL|BUG|fault)|UBSAN"
    r"|pages\[|reserved pages|\[#\d|hard LOCKUP|oom-killer|ut of memory|with error -12|lab cache"
    r"|-fs error|XFS \(|Exception|PANIC|Insufficient|SError|isabled wait|unregister_netdevice"
    r"|VFS: |Unhandled fault|ernel stack|Internal error|stack guard|unreferenced"
    r"|[Mm]achine [Cc]heck|Hardware Error|memory leaks|blocked |CFI failure"
    r"|: bad p|swap (?:file|offset) entry|pagealloc: |page allocation failure|vmalloc error"
    r"|cannot create duplicate"
)


# What a decoder of stack traces puts before a line, one for each function that was inlined
# there. They have no code of their own to be at fault; the line itself follows.
_INLINED = re.compile(r"\.(?:[chS]|rs):-?\d+ \[inline\]$")


def find_marker(line: str, *, timed: bool) -> tuple[ReportClass, re.Match[str]] | None:
    """The first row that a line matches, if any; ``timed`` tells of printk's time on it."""
    if _ANY.search(line) is None or _INLINED.search(line) is not None:
        return None
    for report_class in CLASSES:
        if report_class.timed and not timed:
            continue
        match = report_class.marker.search(line)
        if match is not None:
            return report_class, match
    return None
