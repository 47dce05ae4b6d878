"""Mails that carry patches: headers in any encoding, and the text with the diff in it."""

from __future__ import annotations

import binascii
import email
import email.errors
import email.header
import email.message
import email.utils
import quopri
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from harness.series.diff import STARTS
from harness.series.subject import parse_subject
from harness.series.text import Text, printable

# Bounded parts: a hostile line must not be tried in every way there is.
_SEPARATOR = re.compile(
    rb"^From [^\n]{1,300}? +\w{3} \w{3} [ \d]?\d \d\d:\d\d(?::\d\d)?[^\n]{0,9} \d{4}[^\n]{0,99}\n",
    re.MULTILINE,
)
_HEADER = re.compile(rb"[A-Za-z][\w-]*:(?=[ \t\r\n])")
# Who sent it or what it is about, below nothing but other headers and what is folded of them.
_HEADERS = re.compile(
    rb"(?=[A-Za-z])(?:(?:[A-Za-z][\w-]*:|[ \t])[^\n]*\n)*?(?:From|Subject):", re.IGNORECASE
)
_BLANK = re.compile(rb"^\r?\n", re.MULTILINE)
_MOST_HEADER_BYTES = 1 << 18
_MOST_WORDS = 8192
_MOST_MESSAGES = 10_000
_PLAIN = ("7bit", "8bit", "binary", "")
_PATCH_TYPES = ("text/plain", "text/x-patch", "text/x-diff")
_PATCH_NAMES = (".patch", ".diff")
_FLOWED = "the patch sent without format=flowed, which breaks lines: git send-email does it right"


@dataclass(frozen=True, slots=True)
class Message:
    """One mail: ``body`` is its text, decoded, ``whole`` all of it."""

    subject: str
    author: str
    message_id: str | None
    body: Text
    whole: Text

    @property
    def has_diff(self) -> bool:
        return STARTS.search(self.body.content) is not None


def is_mail(content: bytes) -> bool:
    """Whether a file starts as a mail or a mailbox does."""
    if _SEPARATOR.match(content) is not None:
        return True
    return _HEADERS.match(content, 0, _MOST_HEADER_BYTES) is not None


def split_mails(text: Text) -> Iterator[Text]:
    """The mails of a mailbox (mboxo or mboxrd); one that stands alone is one."""
    starts = [s for s in _SEPARATOR.finditer(text.content) if _parts(s, text.content)]
    if not starts:
        yield text
        return
    if len(starts) > _MOST_MESSAGES:
        raise text.error(f"more than {_MOST_MESSAGES} mails")
    ends = [found.start() for found in starts[1:]] + [len(text.content)]
    line, counted = 1, 0
    for start, end in zip(starts, ends, strict=True):
        line += text.content.count(b"\n", counted, start.end())
        counted = start.end()
        yield text.part(start.end(), end, line)


def _parts(separator: re.Match[bytes], content: bytes) -> bool:
    """Whether a mail starts here: at the top, below a blank line, or with a header to follow.

    Patches written with ``--no-signature`` and put one behind the other have no blank line.
    """
    start, end = separator.span()
    below_blank = content.endswith((b"\n\n", b"\n\r\n"), 0, start)
    return start == 0 or below_blank or _HEADER.match(content, end) is not None


def read_mail(text: Text) -> Message:
    """One mail. Raises UserError for one that cannot be decoded."""
    end = _end_of_headers(text.content)
    if end > _MOST_HEADER_BYTES:
        raise text.error(f"a mail with more than {_MOST_HEADER_BYTES} bytes of headers")
    headers = email.message_from_bytes(text.content[:end])
    first = text.content.count(b"\n", 0, end) + 1
    body = text.part(end, len(text.content), first)
    subject = _words(headers, "Subject")
    try:
        body = _decode(headers, body, text)
    except (binascii.Error, LookupError, ValueError, RecursionError) as exc:
        if not parse_subject(subject).is_reply:
            raise text.error(f"a mail that cannot be decoded: {exc}") from exc
        # Somebody's mail program is no reason to refuse the patches of the thread.
        body = replace(body, content=b"")
    return Message(
        subject=subject,
        author=_author(headers, body),
        message_id=_words(headers, "Message-ID").strip().strip("<>") or None,
        body=body,
        whole=text,
    )


def _end_of_headers(content: bytes) -> int:
    """At the first blank line; a diff that comes before it, as below Debian's, is none of them."""
    blank = _BLANK.search(content)
    end = blank.end() if blank else len(content)
    diff = STARTS.search(content, 0, end)
    return diff.start() if diff else end


def _decode(headers: email.message.Message, body: Text, whole: Text) -> Text:
    if headers.get_content_maintype() == "multipart":
        content, flowed = _attached(whole)
        return replace(whole, content=content, decoded=True, hint=_FLOWED if flowed else None)
    encoding = str(headers.get("Content-Transfer-Encoding", "")).strip().lower()
    match encoding:
        case "quoted-printable":
            body = replace(body, content=quopri.decodestring(body.content), decoded=True)
        case "base64":
            body = replace(body, content=binascii.a2b_base64(body.content), decoded=True)
        case _ if encoding not in _PLAIN:
            raise ValueError(f"no such transfer encoding: {encoding[:40]!r}")
    if _is_flowed(headers):
        content = unflow(body.content, _drops_spaces(headers))
        body = replace(body, content=content, decoded=True, hint=_FLOWED)
    return body


def _is_flowed(headers: email.message.Message) -> bool:
    return str(headers.get_param("format", "")).lower() == "flowed"


def _drops_spaces(headers: email.message.Message) -> bool:
    return str(headers.get_param("delsp", "")).lower() == "yes"


def unflow(content: bytes, delsp: bool = False) -> bytes:
    """Lines as they were before format=flowed (RFC 3676) broke and stuffed them."""
    out: list[bytes] = []
    begun: list[bytes] = []
    for line in content.split(b"\n"):
        bare = line.removesuffix(b"\r")
        if bare == b"-- ":
            out.append(bare)
            continue
        if bare.startswith(b" "):
            bare = bare[1:]
        if bare.endswith(b" "):
            begun.append(bare[:-1] if delsp else bare)
            continue
        out.append(b"".join([*begun, bare]))
        begun = []
    return b"\n".join([*out, b"".join(begun)] if begun else out)


def _attached(whole: Text) -> tuple[bytes, bool]:
    """The text parts that are or may hold a patch, one below the other; whether any was flowed."""
    parts: list[bytes] = []
    flowed = False
    for part in email.message_from_bytes(whole.content).walk():
        named = str(part.get_filename()).endswith(_PATCH_NAMES)
        may_be = named or part.get_content_type() in _PATCH_TYPES
        payload = part.get_payload(decode=True) if may_be else None
        if not isinstance(payload, bytes):
            continue
        if _is_flowed(part):
            flowed, payload = True, unflow(payload, _drops_spaces(part))
        parts.append(payload)
    return b"\n".join(parts), flowed


def _words(headers: email.message.Message, name: str) -> str:
    """A header's text; what is wrongly encoded comes out as it can."""
    found = [value for key, value in headers.raw_items() if key.lower() == name.lower()]
    raw = str(found[0])[:_MOST_WORDS] if found else ""
    # Headers in bare UTF-8, which is common and wrong.
    text = raw.encode(errors="surrogateescape").decode(errors="replace")
    try:
        parts = email.header.decode_header(text)
    except (email.errors.HeaderParseError, ValueError, binascii.Error):
        return printable(text)
    return printable("".join(p if isinstance(p, str) else _read(p, c) for p, c in parts))


def _author(headers: email.message.Message, body: Text) -> str:
    """Who wrote it: a From: line on top of the text wins over the mail's own."""
    text = body.content.lstrip()[:_MOST_HEADER_BYTES]
    if text.startswith(b"From: "):
        return printable(text.partition(b"\n")[0].removeprefix(b"From: ").decode(errors="replace"))
    name, address = email.utils.parseaddr(_words(headers, "From"))
    return f"{name} <{address}>" if name else address


def _read(part: bytes, charset: str | None) -> str:
    for name in (charset or "utf-8", "utf-8"):
        try:
            return part.decode(name)
        except (LookupError, UnicodeDecodeError):
            continue
    return part.decode("latin-1")
