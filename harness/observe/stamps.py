"""What loggers put before a console's line: stamps of syslog, dmesg, netconsole, serial loggers.

A stamp that only the kernel's own messages get also tells that printk said the line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_DATE = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?"
_CLOCK = r"\d\d:\d\d:\d\d(?:[.,:]\d{1,9})?"

# journalctl -o short-iso, rsyslog, continuous integration, ts(1), LAVA, minicom.
_LOGGER = (
    rf"\[?{_DATE}\]?:? +|\[?{_CLOCK}\]?:? +"
    rf"|[A-Z][a-z]{{2}} +\d{{1,2}} (?:\d{{4}} )?{_CLOCK} +"
)
# The tag of syslog and of journalctl.
_TAG = r"(?:(?!\[)[\w.:$-]{1,64} )?kernel: ?"
# dmesg --ctime, --human or --reltime, and --show-delta; --decode comes before them.
_DELTA = r"< *\d{1,11}\.\d{6}>"
_TIME = (
    rf"\[(?:[A-Z][a-z]{{2}} [A-Z][a-z]{{2}} [ \d]\d \d\d:\d\d:\d\d \d{{4}}(?: {_DELTA})?"
    rf"|[A-Z][a-z]{{2}}[ \d]\d \d\d:\d\d| *\+\d{{1,11}}\.\d{{6}}"
    rf"|(?: *\d{{1,11}}\.\d{{6}} )?{_DELTA})\] ?"
)
# /dev/kmsg and extended netconsole, whose caller is printk's.
_KERNEL = (
    rf"{_TIME}|kern {{1,4}}:[a-z]{{3,6}} {{0,2}}: (?:{_TIME})?"
    r"|(?:\d\.[\w.+~-]{1,64},)?\d{1,4},\d{1,19},\d{1,19},[-+c](?:,caller=(?P<caller>[TC]\d{1,9}))?"
    r"(?:,[a-z]+=[^;,]{0,64}){0,2};"
)
_STAMP = re.compile(rf"(?:{_LOGGER})?(?:(?P<tag>{_TAG})|(?P<kernel>{_KERNEL}))?")
# journalctl -o short-monotonic puts its tag behind the time.
_LATE_TAG = re.compile(r"[\w.-]{1,64} kernel: ?")


@dataclass(frozen=True, slots=True)
class Stamp:
    """What was before a line: ``end`` is where the message begins.

    ``kernel`` tells that printk said it, ``archived`` that it is a system's log of all its
    boots, and no console; ``caller`` is printk's.
    """

    end: int
    kernel: bool
    archived: bool
    caller: str | None


_NONE = Stamp(0, kernel=False, archived=False, caller=None)


def read_stamp(text: str) -> Stamp:
    """What a logger put before a line."""
    match = _STAMP.match(text)
    if match is None or match.end() == 0:
        return _NONE
    tagged = match["tag"] is not None
    return Stamp(match.end(), tagged or match["kernel"] is not None, tagged, match["caller"])


def skip_tag(text: str, begin: int) -> int:
    """Where the message begins that a journal's tag may stand before."""
    match = _LATE_TAG.match(text, begin)
    return match.end() if match else begin
