"""Which mails of a thread are the series: the newest version that is complete."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from harness.errors import UserError
from harness.series.mail import Message
from harness.series.subject import Tag, parse_subject
from harness.series.text import Text


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail and what its subject says."""

    message: Message
    tag: Tag


@dataclass(frozen=True, slots=True)
class Choice:
    """The mails that are the series, in its order."""

    patches: tuple[Mail, ...]
    version: int | None = None
    cover: Mail | None = None
    notes: tuple[str, ...] = ()


def choose(messages: Iterable[Message], text: Text) -> Choice:
    """The series in a mailbox.

    Replies are left aside, and so are trailers and remarks. Raises UserError that names
    the patches that are missing or there twice.
    """
    mails = [Mail(message, parse_subject(message.subject)) for message in messages]
    if len(mails) == 1 and mails[0].message.has_diff:
        return _alone(mails[0])
    own = [mail for mail in mails if not mail.tag.is_reply]
    tagged = [mail for mail in own if mail.tag.is_patch]
    numbered = [mail for mail in tagged if mail.tag.number is not None]
    if numbered:
        loose = [m for m in tagged if m.tag.number is None and m.message.has_diff]
        notes = tuple(f"left aside, without a number: {mail.message.subject}" for mail in loose)
        choice = _newest(numbered, text)
        return replace(choice, notes=(*choice.notes, *notes))
    single = [mail for mail in tagged or own if mail.message.has_diff]
    if not single:
        raise text.error(
            f"no patch in {len(mails)} mails, of which {len(mails) - len(own)} replies"
        )
    newest = max(mail.tag.version or 1 for mail in single)
    chosen = tuple(mail for mail in single if (mail.tag.version or 1) == newest)
    return Choice(chosen, chosen[0].tag.version)


def _alone(mail: Mail) -> Choice:
    """A file with one patch is that patch, whatever series it was part of."""
    tag = mail.tag
    is_part = tag.number is not None and tag.total != 1
    notes = (f"patch {tag.number} of {tag.total} by itself",) if is_part else ()
    return Choice((mail,), tag.version, notes=notes)


def _newest(mails: Sequence[Mail], text: Text) -> Choice:
    versions: defaultdict[int, list[Mail]] = defaultdict(list)
    for mail in mails:
        versions[mail.tag.version or 1].append(mail)
    troubles: list[UserError] = []
    for version in sorted(versions, reverse=True):
        try:
            choice = _complete(versions[version], text)
        except _IncompleteError as exc:
            troubles.append(exc)
            continue
        return Choice(choice.patches, choice.version, choice.cover, _notes(troubles, version))
    raise troubles[0]


class _IncompleteError(UserError):
    """A version that lacks patches; an older one may do."""


def _complete(mails: Sequence[Mail], text: Text) -> Choice:
    version = mails[0].tag.version
    called = f"v{version or 1}"
    totals = {mail.tag.total: mail for mail in mails}
    if len(totals) > 1:
        listed = "; ".join(
            f"{mail.message.whole.where()}: {mail.message.subject}" for mail in totals.values()
        )
        raise text.error(
            f"more than one series is a {called} here: {listed}",
            hint="one series in a file: the thread of one cover letter",
        )
    total = mails[0].tag.total
    if not total:
        raise mails[0].message.whole.error(f"{called} is a series of 0 patches")
    by_number: dict[int, Mail] = {}
    for mail in mails:
        number = mail.tag.number or 0
        if number > total:
            raise mail.message.whole.error(f"patch {number} of only {total}")
        _refuse_other(by_number.setdefault(number, mail), mail, called)
    missing = [str(n) for n in range(1, total + 1) if n not in by_number]
    if missing:
        raise _IncompleteError(
            f"{called} lacks patch {', '.join(missing)} of {total}",
            path=text.path,
            hint="the whole thread, such as b4 mbox or the archive's mbox link gives it",
        )
    return Choice(tuple(by_number[n] for n in range(1, total + 1)), version, by_number.get(0))


def _refuse_other(known: Mail, mail: Mail, called: str) -> None:
    """The same patch may be there twice, as two lists archived it; two patches may not."""
    same = known is mail or known.message.message_id == mail.message.message_id is not None
    if same or not mail.tag.number or known.message.body.content == mail.message.body.content:
        return
    raise mail.message.whole.error(
        f"patch {mail.tag.number} of {called} is there twice and differs: "
        f"first at {known.message.whole.where()}",
        hint="leave one of the two out",
    )


def _notes(troubles: Sequence[UserError], version: int) -> tuple[str, ...]:
    return tuple(f"{trouble.message}: v{version} is taken" for trouble in troubles)
