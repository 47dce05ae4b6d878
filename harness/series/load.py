"""``load_series``: what the user named, whatever form it has, as one series."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from harness.errors import UserError
from harness.series.choose import Choice, Mail, choose
from harness.series.commits import read_commits
from harness.series.diff import read_diff
from harness.series.inputs import read_file, read_stream
from harness.series.mail import Message, is_mail, read_mail, split_mails
from harness.series.patch import Patch, Series
from harness.series.quilt import find_series_file, read_series_file
from harness.series.subject import parse_subject
from harness.series.text import Text
from harness.shipped import typed

_SUFFIXES = (".patch", ".diff", ".eml")
_MOST_MEANT = 5
# Of a cover letter as git format-patch makes it, and nobody has written it.
_NO_TITLE = "*** SUBJECT HERE ***"


def load_series(name: str, stdin: BinaryIO | None = None) -> Series:
    """The series that a name stands for.

    A file with a diff, a mail or a mailbox (plain or gzip'd), a folder of such files, a
    quilt series, ``git:PATH@A..B``, or ``-`` for ``stdin``. Only read; nothing is written
    and nothing fetched. Raises UserError with file and line for all that cannot be applied.
    """
    try:
        return _load(name, stdin)
    except OSError as exc:
        raise UserError(f"{name} cannot be read: {exc.strerror}") from exc


def _load(name: str, stdin: BinaryIO | None) -> Series:
    if name == "-":
        if stdin is None:
            raise UserError("-: there is no standard input here", hint="the name of a file")
        return _from_text(read_stream(stdin, Path("<stdin>")), name)
    if name.startswith("git:"):
        return _from_git(name)
    if not name:  # a path without a name is the current folder
        raise UserError("the name of the series is empty")
    path = typed(name)
    if path.is_dir():
        listing = find_series_file(path)
        return _from_quilt(listing, name) if listing else _from_folder(path, name)
    if not path.exists():
        raise UserError(f"no such series: {name}", hint=_meant(name, path))
    if path.name == "series":
        return _from_quilt(path, name)
    return _from_text(read_file(path), name)


def _from_text(text: Text, name: str) -> Series:
    if not text.content.strip():
        raise text.error("is empty")
    if not is_mail(text.content):
        patch = _patch(1, _bare(text))
        return Series(text.path.stem, None, (patch,), name)
    return _from_mails([read_mail(mail) for mail in split_mails(text)], text, name)


def _from_folder(path: Path, name: str) -> Series:
    files = sorted(file for file in path.iterdir() if file.suffix in _SUFFIXES and _counts(file))
    if not files:
        hint = f"git:{name}@A..B" if (path / ".git").exists() else "a folder of .patch files"
        raise UserError(f"no {', '.join(_SUFFIXES)} file in this folder", path=path, hint=hint)
    messages = [message for file in files for message in _messages(read_file(file))]
    tags = [parse_subject(m.subject) for m in messages if m.has_diff]
    if all(tag.number is not None for tag in tags):
        return _from_mails(messages, Text(b"", path), name)
    # Not all numbered: the files' names are the order.
    patches = (_patch(n, m) for n, m in enumerate((m for m in messages if m.has_diff), start=1))
    return _series(path.resolve().name, None, patches, name)


def _counts(file: Path) -> bool:
    """Whether it is a file, or a link to one that is not there: a patch would be missing."""
    return file.is_file() or not file.exists()


def _from_quilt(listing: Path, name: str) -> Series:
    patches = []
    for position, listed in enumerate(read_series_file(listing), start=1):
        (message,) = _messages(read_file(listed.path), whole=True)
        patches.append(_patch(position, message, listed.level))
    if not patches:
        raise UserError("lists no patch", path=listing)
    top = listing.resolve().parent
    return _series(top.parent.name if top.name == "patches" else top.name, None, patches, name)


def _from_git(name: str) -> Series:
    called, commits = read_commits(name)
    patches = []
    changing = [commit for commit in commits if commit.text.content]
    if not changing:
        raise UserError(
            f"{name}: no commit there changes a file", hint="a range with a commit that does"
        )
    for position, commit in enumerate(changing, start=1):
        diff = read_diff(commit.text, level=1)
        where = str(commit.text.path)
        subject = commit.subject
        patches.append(
            Patch(position, subject, commit.author, None, diff.content, diff.paths, where)
        )
    empty = (commit.subject for commit in commits if not commit.text.content)
    notes = tuple(f"left aside, a commit that changes no file: {subject}" for subject in empty)
    return _series(called, None, patches, name, notes)


def _from_mails(messages: Iterable[Message], text: Text, name: str) -> Series:
    choice = choose(messages, text)
    patches = (_patch(n, mail.message) for n, mail in enumerate(choice.patches, start=1))
    return _series(_called(choice, text), choice.version, patches, name, choice.notes)


def _series(
    called: str,
    version: int | None,
    patches: Iterable[Patch],
    name: str,
    notes: tuple[str, ...] = (),
) -> Series:
    return Series(called, version, tuple(patches), name, notes)


def _called(choice: Choice, text: Text) -> str:
    cover: Mail | None = choice.cover
    if cover and cover.tag.title != _NO_TITLE:
        return cover.tag.title
    name = text.path.resolve().name if text.path.is_dir() else text.path.name
    return re.sub(r"\.(mbo?x|patch|diff|eml)$", "", name.removesuffix(".gz"))


def _messages(text: Text, whole: bool = False) -> list[Message]:
    """The mails in a file; one without headers is named after the file."""
    if not is_mail(text.content):
        return [_bare(text)]
    mails = [text] if whole else split_mails(text)
    return [read_mail(mail) for mail in mails]


def _bare(text: Text) -> Message:
    return Message(text.path.stem, "", None, text, text)


def _patch(position: int, message: Message, level: int | None = None) -> Patch:
    diff = read_diff(message.body, level)
    return Patch(
        position=position,
        subject=parse_subject(message.subject).title or message.whole.path.stem,
        author=message.author,
        message_id=message.message_id,
        diff=diff.content,
        files=diff.paths,
        where=message.whole.where(),
        hunks=tuple(message.body.where(hunk.line) for file in diff.files for hunk in file.hunks),
    )


def _meant(name: str, path: Path) -> str:
    if re.match(r"https?:", name):
        return "a file: fetch the thread first, such as with b4 mbox"
    try:
        beside = [found.name for found in path.parent.iterdir() if _may_be_series(found)]
    except OSError:
        beside = []
    close = difflib.get_close_matches(path.name, beside, n=_MOST_MEANT, cutoff=0.0)
    if not close:
        return "a .patch file, an mbox, a folder, git:PATH@A..B, or - for standard input"
    return ", ".join(str(path.with_name(one)) for one in close)


def _may_be_series(path: Path) -> bool:
    if path.is_dir():
        return _holds_series(path)
    kept = path.name.removesuffix(".gz")
    return kept == "series" or kept.endswith((*_SUFFIXES, ".mbox", ".mbx"))


def _holds_series(folder: Path) -> bool:
    """Whether a folder could be named."""
    try:
        return any(one.name == "series" or one.suffix in _SUFFIXES for one in folder.iterdir())
    except OSError:
        return False
