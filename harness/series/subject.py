"""What the subject of a patch's mail says: ``[PATCH v7 04/11] mm: ...``."""

from __future__ import annotations

import re
from dataclasses import dataclass

_REPLY = re.compile(r"\s*(?:(?:re|fwd?|aw|antw|sv|vs|tr)\s*(?:\[\d+\])?:\s*)", re.IGNORECASE)
_BRACKET = re.compile(r"\s*\[([^\[\]]{1,200})\]\s*")
_KIND = re.compile(r"(?:^|[\s,/-])(?:PATCH|RFC|RFT|RESEND)", re.IGNORECASE)
_VERSION = re.compile(r"(?:^|[\s,]|PATCH|RFC)v(\d{1,4})(?![\w])", re.IGNORECASE)
_COUNTER = re.compile(r"(?:^|[\s,])(\d{1,4})/(\d{1,4})(?=$|[\s,])")


@dataclass(frozen=True, slots=True)
class Tag:
    """A subject, taken apart; ``number`` 0 is a cover letter, None a patch by itself."""

    title: str
    version: int | None = None
    number: int | None = None
    total: int | None = None
    is_patch: bool = False
    is_reply: bool = False


def parse_subject(subject: str) -> Tag:
    """The tag of a subject line."""
    text = _without_prefix(" ".join(subject.split()))
    reply = _REPLY.match(text)
    version = number = total = None
    is_patch = False
    while bracket := _BRACKET.match(text):
        words = bracket[1]
        counter = _COUNTER.search(words)
        if not _is_tag(words):
            break
        text = text[bracket.end() :]
        is_patch = True
        if found := _VERSION.search(words):
            version = int(found[1])
        if counter:
            number, total = int(counter[1]), int(counter[2])
    return Tag(text, version, number, total, is_patch, reply is not None)


def _is_tag(words: str) -> bool:
    return bool(_KIND.search(words) or _COUNTER.search(words))


def _without_prefix(text: str) -> str:
    """Without what a list or a mail server puts before it, as ``[dm-devel] [PATCH 1/2] ...``."""
    start = 0
    while bracket := _BRACKET.match(text, start):
        if _is_tag(bracket[1]):
            return text[start:]
        start = bracket.end()
        if _REPLY.match(text, start):
            return text[start:]
    return text
