"""What loggers put before a console's line: stamps of syslog, dmesg, netconsole, serial loggers.

A stamp that only the kernel's own messages get also tells that printk said the line.
"""

from __future__ import annotations

import re

_DATE = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?"
_CLOCK = r"\d\d:\d\d:\d\d(?:[.,:]\d{1,9})?"

# journalctl -o short-iso, rsyslog, continuous integration, ts(1), LAVA, minicom.
_LOGGER = (
    rf"\[?{_DATE}\]?:? +|\[?{_CLOCK}\]?:? +"
    rf"|[A-Z][a-z]{{2}} +\d{{1,2}} (?:\d{{4}} )?{_CLOCK} +"
)
# The tag of syslog and of journalctl; dmesg --ctime and --decode; /dev/kmsg and
# extended netconsole, whose caller is printk's.
_KERNEL = (
    r"(?:(?!\[)[\w.:$-]{1,64} )?kernel: ?"
    r"|\[[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}\] ?"
    r"|kern {1,4}:[a-z]{3,6} {0,2}: "
    r"|(?:\d\.[\w.+~-]{1,64},)?\d{1,4},\d{1,19},\d{1,19},[-+c](?:,caller=(?P<caller>[TC]\d{1,9}))?"
    r"(?:,[a-z]+=[^;,]{0,64}){0,2};"
)
_STAMP = re.compile(rf"(?:{_LOGGER})?(?:(?P<kernel>{_KERNEL}))?")
# journalctl -o short-monotonic puts its tag behind the time.
_TAG = re.compile(r"[\w.-]{1,64} kernel: ?")


def skip_stamp(text: str) -> tuple[int, bool, str | None]:
    """Where the message begins, whether it is marked as the kernel's, and its caller."""
    match = _STAMP.match(text)
    if match is None:
        return 0, False, None
    return match.end(), match["kernel"] is not None, match["caller"]


def skip_tag(text: str, begin: int) -> int:
    """Where the message begins that a journal's tag may stand before."""
    match = _TAG.match(text, begin)
    return match.end() if match else begin
