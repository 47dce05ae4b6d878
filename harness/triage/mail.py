"""A console out of a mail: encodings undone, quoting taken off, wrapped lines joined.

Lines keep their numbers wherever the mail is plain text: what is joined leaves empty lines.
"""

from __future__ import annotations

import email
import email.policy
import quopri
import re
from email.message import EmailMessage

_HEADER_LINES = 80
_HEADERS = re.compile(
    rb"^(?:From|To|Cc|Subject|Date|Message-ID|Received|Return-Path|MIME-Version)[: ]", re.I | re.M
)
_SOFT_BREAK = re.compile(rb"=\r?\n")
_ESCAPED = re.compile(rb"=(?:3D|20|09|C2=A0)")
_QUOTE = re.compile(r"^(?:\s?[>|]\s?)+")
_QUOTED_LINES = 2

# A line that a mailer broke: what it was about to name stands alone on the next one.
_BROKEN = re.compile(
    r"(?:\b(?:NIP|LR) \[[0-9a-f]+\]|\bRIP: [0-9a-f]{4}:|\b(?:pc|lr) :|\b(?:in|at|address:?)"
    r"|\S+\.[chS]:\d+|\[[0-9a-f]{8,}\] \[[0-9a-f]{8,}\]|\[<[0-9a-f]+>\]|MMU=|PAGE_SIZE=\w+)\s*$"
)
_REST = re.compile(
    r"^\s*(?:\w[\w.$]*\+0x[0-9a-f]+/0x|(?:0x)?[0-9a-f]{8,16}\b|\w+=|MMU"
    r"|[\w./-]{1,200}\.(?:[chS]|rs):\d+)"
)
_TIME = re.compile(r"^(?:<\d+>)?\[ *\d+\.\d{6}\]")

# Mailers break lines at 72 to 80 characters, and a word that fits no more goes to the next.
_WRAPPED = 56

# RFC 5322, 2.1.1: what is longer had its lines taken away on the way.
_LONGEST_LINE = 998
_LINE_STARTS = re.compile(
    r"(?<=[\s>])(?=(?:<\d>)?\[ *\d+\.\d{6}\]|BUG: |WARNING: CPU|Oops: |Faulting instruction"
    r"|LE PAGE_SIZE=|BE PAGE_SIZE=|Modules linked in:|CPU: \d|Hardware name:|NIP: |NIP \[|LR \["
    r"|REGS: |MSR: |CFAR: |GPR\d\d: |Call [Tt]race:|\[[0-9a-f]{16}\] \[|RIP: |RSP: |Code: "
    r"|---\[ end|Unable to handle|Internal error|pc : |lr : |Krnl PSW|Kernel panic)"
)


def is_mail(data: bytes) -> bool:
    """Whether text has a mail's headers or quoting; a console has neither."""
    head = b"\n".join(data.split(b"\n", _HEADER_LINES)[:_HEADER_LINES])
    if len(set(_HEADERS.findall(head))) >= 2:
        return True
    return len(re.findall(rb"^> ?", data, re.M)) >= _QUOTED_LINES


def console_of_mail(data: bytes) -> bytes:
    """The text of a mail as a console would have printed what it quotes."""
    lines = _decode(data).splitlines()
    lines = [part for line in lines for part in _unfold(line)]
    lines = [_QUOTE.sub("", line).replace("\xa0", " ") for line in lines]
    return "\n".join(_join(lines)).encode() + b"\n"


def _decode(data: bytes) -> str:
    """The readable parts of a MIME mail; other text as it is, quoted-printable undone."""
    message = email.message_from_bytes(data.lstrip(), policy=email.policy.default)
    if isinstance(message, EmailMessage) and _is_encoded(message):
        parts = [part for part in message.walk() if part.get_content_maintype() == "text"]
        return "\n".join(_content(part) for part in parts)
    if _SOFT_BREAK.search(data) and _ESCAPED.search(data):
        data = quopri.decodestring(data)
    return data.decode(errors="replace")


def _is_encoded(message: EmailMessage) -> bool:
    return any(
        str(part.get("Content-Transfer-Encoding", "")).lower() in ("quoted-printable", "base64")
        for part in message.walk()
    )


def _content(part: EmailMessage) -> str:
    """One part's text, whatever its charset claims to be."""
    payload = part.get_payload(decode=True)
    return payload.decode(errors="replace") if isinstance(payload, bytes) else ""


def _unfold(line: str) -> list[str]:
    return _LINE_STARTS.split(line) if len(line) > _LONGEST_LINE else [line]


def _join(lines: list[str]) -> list[str]:
    """Broken lines made whole; an empty line stands where the rest of one was."""
    joined: list[str] = []
    whole = 0
    timed = [_TIME.match(line) is not None for line in lines]
    for number, line in enumerate(lines):
        if (
            joined
            and not timed[number]
            and _is_rest(joined[whole], line, timed[whole : number + 4])
        ):
            joined[whole] = f"{joined[whole].rstrip()} {line.strip()}"
            joined.append("")
        else:
            whole = len(joined)
            joined.append(line)
    return joined


def _is_rest(begun: str, line: str, timed: list[bool]) -> bool:
    """Whether a line without a time ends the one before, by its words or as all others have one.

    ``timed`` tells of the lines from the begun one to some after this one.
    """
    if _BROKEN.search(begun) and _REST.match(line):
        return True
    return timed[0] and any(timed[1:]) and len(begun) >= _WRAPPED and line.strip() != ""
