"""Mails and mailboxes: every encoding that lists carry, and the newest complete version."""

from __future__ import annotations

import base64
import quopri
import time
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import UserError
from harness.series.choose import Choice, choose
from harness.series.diff import read_diff
from harness.series.mail import Message, is_mail, read_mail, split_mails, unflow
from harness.series.subject import parse_subject
from harness.series.text import Text

DIFF = "--- a/mm/gup.c\n+++ b/mm/gup.c\n@@ -1 +1 @@\n-one\n+öne\n"
BODY = f"Say why.\n\nSigned-off-by: A <a@example.org>\n---\n{DIFF}-- \n2.39\n"


def mail(subject: str, body: str = BODY, number: int = 1, headers: str = "") -> str:
    return (
        f"From 0123456789 Mon Sep 17 00:00:00 2001\nFrom: A. Uthor <a@example.org>\n"
        f"Message-ID: <{number}@example.org>\nSubject: {subject}\n{headers}\n{body}\n"
    )


def box(*mails: str) -> Text:
    return Text("".join(mails).encode(), Path("t.mbox"))


def only(text: str | bytes) -> Message:
    content = text.encode() if isinstance(text, str) else text
    (found,) = split_mails(Text(content, Path("t.mbox")))
    return read_mail(found)


def chosen(*mails: str) -> Choice:
    text = box(*mails)
    return choose([read_mail(one) for one in split_mails(text)], text)


def titles(choice: Choice) -> list[str]:
    return [found.tag.title for found in choice.patches]


@pytest.mark.parametrize(
    ("subject", "version", "number", "total", "title"),
    [
        ("[PATCH v7 04/11] mm: pin", 7, 4, 11, "mm: pin"),
        ("[PATCH 4/11 v7] mm: pin", 7, 4, 11, "mm: pin"),
        ("[PATCHv2 1/2] mm: pin", 2, 1, 2, "mm: pin"),
        ("[RFC PATCH net-next v2 00/15] mm: pin", 2, 0, 15, "mm: pin"),
        ("[PATCH 6.1 001/123] mm: pin", None, 1, 123, "mm: pin"),
        ("[PATCH][next] mm: [pin]", None, None, None, "[next] mm: [pin]"),
        ("[PATCH RESEND v3] mm:\n pin", 3, None, None, "mm: pin"),
        ("[2/3] mm: pin", None, 2, 3, "mm: pin"),
        ("[dm-devel] [PATCH v2 1/2] dm: [pin]", 2, 1, 2, "dm: [pin]"),
        ("[EXT] [linux-mm] [PATCH] mm: pin", None, None, None, "mm: pin"),
    ],
)
def test_subjects(
    subject: str, version: int | None, number: int | None, total: int | None, title: str
) -> None:
    tag = parse_subject(subject)
    assert (tag.version, tag.number, tag.total, tag.title) == (version, number, total, title)
    assert tag.is_patch
    assert not tag.is_reply


@pytest.mark.parametrize(
    "subject",
    ["Re: [PATCH 1/2] x", "RE: x", "Fwd: [PATCH] x", "AW: Re: x", "[EXTERNAL] Re: [PATCH 1/2] x"],
)
def test_replies(subject: str) -> None:
    assert parse_subject(subject).is_reply


def test_a_subject_without_a_tag_is_no_patch_by_itself() -> None:
    tag = parse_subject("[ANNOUNCE] mm: v2 of 3/4")
    assert (tag.is_patch, tag.version, tag.title) == (False, None, "[ANNOUNCE] mm: v2 of 3/4")


def test_headers_in_every_encoding_read_the_same() -> None:
    plain = only(mail("[PATCH] mm: ünï"))
    coded = only(mail("=?utf-8?q?=5BPATCH=5D_mm=3A_?=\n =?iso-8859-1?B?/G7v?="))
    assert plain.subject == coded.subject == "[PATCH] mm: ünï"
    assert plain.author == "A. Uthor <a@example.org>"
    assert plain.message_id == "1@example.org"
    broken = only(mail("=?utf-8?b?====?= =?no-such-charset?q?x=F6?= y"))
    assert broken.subject.endswith("y")


def test_a_header_cannot_reach_the_terminal() -> None:
    assert "\x1b" not in only(mail("[PATCH] =?utf-8?q?=1B=5B2J?=")).subject


def test_the_author_of_a_forwarded_patch_is_the_one_in_its_text() -> None:
    assert only(mail("[PATCH] x", "From: B <b@example.org>\n\n" + BODY)).author == (
        "B <b@example.org>"
    )


@pytest.mark.parametrize(
    ("name", "encode"),
    [
        ("8bit", lambda text: text),
        ("quoted-printable", quopri.encodestring),
        ("base64", base64.encodebytes),
        ("Base64", lambda text: base64.encodebytes(text.replace(b"\n", b"\r\n"))),
    ],
)
def test_bodies_in_every_encoding_hold_the_diff(name: str, encode: object) -> None:
    assert callable(encode)
    head = mail("[PATCH] x", "", headers=f"Content-Transfer-Encoding: {name}\n").rstrip("\n")
    message = only(head.encode() + b"\n\n" + encode(BODY.encode()))
    assert message.has_diff
    assert DIFF.encode() in message.body.content.replace(b"\r\n", b"\n")


@pytest.mark.parametrize(
    "first",
    [
        "Delivered-To: l@example.org",
        "MIME-Version: 1.0",
        "Authentication-Results: mx.example.org;\n\tdkim=pass",
        "ARC-Seal: i=1; a=rsa-sha256",
        "Content-Type: text/plain; charset=utf-8",
        "cc: l@example.org",
    ],
)
def test_a_mail_is_one_whatever_its_first_header_is(first: str) -> None:
    coding = "Content-Transfer-Encoding: quoted-printable"
    head = f"{first}\n{coding}\nFrom: A <a@example.org>\nSubject: [PATCH] mm: x\n\n"
    content = head.encode() + quopri.encodestring(BODY.replace("one", "a = b").encode())
    assert is_mail(content)
    message = only(content)
    assert (message.subject, message.author) == ("[PATCH] mm: x", "A <a@example.org>")
    assert b"-a = b\n" in message.body.content


@pytest.mark.parametrize(
    "content",
    [
        f"Index: mm/gup.c\n{DIFF}",
        f"mm: pin it\n\nSubject: to change\n{DIFF}",
        f"mm: pin it\nsince it moves\nFrom: nobody\n\n{DIFF}",
        f"mm: pin it\n{DIFF}Subject: x\n",
        f" Subject: x\nFrom: y\n\n{DIFF}",
    ],
)
def test_a_diff_below_prose_is_no_mail(content: str) -> None:
    assert not is_mail(content.encode())


def test_a_diff_right_below_the_headers_is_whole() -> None:
    message = only(f"Description: pin it\nFrom: A <a@example.org>\n{DIFF} \n\n{DIFF}")
    assert message.body.content.decode() == f"{DIFF} \n\n{DIFF}"
    assert message.body.line_of(1) == 3
    assert message.author == "A <a@example.org>"


def test_lines_count_in_the_file_unless_they_were_encoded() -> None:
    text = box(mail("[PATCH 1/2] x"), mail("[PATCH 2/2] y", BODY + "end"))
    _, second = (read_mail(one) for one in split_mails(text))
    lines = text.content.decode().splitlines()
    assert lines[second.body.line_of(1) - 1] == "Say why."
    assert lines[second.whole.line_of(1) - 1].startswith("From: A.")
    head = mail("[PATCH] x", "", headers="Content-Transfer-Encoding: base64\n").rstrip("\n")
    coded = only(head.encode() + b"\n\n" + base64.encodebytes(BODY.encode()))
    error = coded.body.error("wrong", 7)
    assert error.line == coded.body.line
    assert "line 7 of the message, decoded" in str(error)


def test_a_patch_may_be_attached() -> None:
    head = 'Content-Type: multipart/mixed; boundary="b"\nMIME-Version: 1.0\n'
    parts = "--b\nContent-Type: text/plain\n\nhello\n--b\nContent-Type: text/x-patch\n"
    parts += "Content-Transfer-Encoding: base64\n\n"
    parts += base64.encodebytes(DIFF.encode()).decode() + "--b--\n"
    message = only(mail("[PATCH] x", parts, headers=head))
    assert DIFF.encode() in message.body.content


@pytest.mark.parametrize("name", ["fix.patch", "fix.diff"])
def test_an_attachment_may_be_known_by_its_name_alone(name: str) -> None:
    head = 'Content-Type: multipart/mixed; boundary="b"\nMIME-Version: 1.0\n'
    part = f"--b\nContent-Type: application/octet-stream; name={name}\n\n{DIFF}\n--b--\n"
    assert DIFF.encode() in only(mail("[PATCH] x", part, headers=head)).body.content


def test_format_flowed_is_undone_in_a_mail_that_is_signed() -> None:
    head = 'Content-Type: multipart/signed; boundary="b"\nMIME-Version: 1.0\n'
    context = DIFF.replace("@@ -1 +1 @@\n", "@@ -1,2 +1,2 @@\n zero\n")
    stuffed = context.replace("\n ", "\n  ")
    parts = f"--b\nContent-Type: text/plain; format=flowed\n\n{stuffed}\n--b--\n"
    message = only(mail("[PATCH] x", parts, headers=head))
    assert message.body.content.decode().strip() == context.strip()
    assert "format=flowed" in (message.body.error("wrong").hint or "")


def test_format_flowed_is_undone_and_named_where_it_broke_a_patch() -> None:
    assert unflow(b" x\n  y\n-- \nlong \nline\n") == b"x\n y\n-- \nlong line\n"
    assert unflow(b"long \nline", delsp=True) == b"longline"
    stuffed = DIFF.replace("\n ", "\n  ")
    headers = "Content-Type: text/plain; format=flowed\n"
    message = only(mail("[PATCH] x", stuffed, headers=headers))
    assert message.body.content.decode().strip() == DIFF.strip()
    assert "format=flowed" in (message.body.error("wrong").hint or "")


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ("Content-Transfer-Encoding: uuencode-42\n", "no such transfer encoding"),
        ("Content-Transfer-Encoding: base64\n", "cannot be decoded"),
        ("X: " + "y" * (1 << 18) + "\n", "bytes of headers"),
    ],
)
def test_mails_that_cannot_be_read_say_where_they_are(headers: str, words: str) -> None:
    with pytest.raises(UserError, match=words) as caught:
        only(mail("[PATCH] x", "=====A", headers=headers))
    assert (str(caught.value.path), caught.value.line) == ("t.mbox", 2)


def test_a_reply_that_cannot_be_read_takes_no_patch_along() -> None:
    odd = mail("Re: [PATCH] x", "why?", number=2, headers="Content-Transfer-Encoding: 8bits\n")
    assert titles(chosen(mail("[PATCH] x"), odd)) == ["x"]


def test_deeply_nested_parts_are_the_users_error() -> None:
    parts = "".join(
        f'Content-Type: multipart/mixed; boundary="b{n}"\n\n--b{n}\n' for n in range(3000)
    )
    with pytest.raises(UserError, match="cannot be decoded"):
        only(mail("[PATCH] x", parts, headers='Content-Type: multipart/mixed; boundary="b0"\n'))


def test_mails_are_parted_at_separators_only() -> None:
    prose = "From here on it is slow,\nFrom A to B at 10:00:00 on 2 May 2026\n"
    assert len(list(split_mails(box(mail("a", prose), mail("b"))))) == 2
    archived = "From a.uthor at example.org  Thu Oct  1 10:00:00 2026\nSubject: x\n\n"
    assert len(list(split_mails(box(archived, archived)))) == 2
    assert is_mail(mail("a").encode())
    assert is_mail(b"Subject: x\n\n")
    assert not is_mail(DIFF.encode())


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_mails_are_parted_without_a_blank_line_where_headers_follow(end: str) -> None:
    bare = [mail(f"[PATCH {n}/2] {n}", DIFF.rstrip("\n")) for n in (1, 2)]
    parts = list(split_mails(box(*(one.replace("\n", end) for one in bare))))
    assert [read_mail(part).subject for part in parts] == ["[PATCH 1/2] 1", "[PATCH 2/2] 2"]
    assert [part.line for part in parts] == [2, 2 + bare[0].count("\n")]
    quoted = "From 0123456789 Mon Sep 17 00:00:00 2001\nit is slow, and http://x: says why\n"
    assert len(list(split_mails(box(mail("a", f"Since:\n{quoted}"))))) == 1


@pytest.mark.parametrize(
    "hostile",
    ["From x " + "00:00 1999" * 100_000, "diff --git " + "a " * 400_000 + "\n"],
    ids=["separator", "names"],
)
def test_one_long_line_is_not_tried_in_every_way(hostile: str) -> None:
    """Either would take minutes where its length is not bounded."""
    for found in split_mails(box(f"From: a\n\n{hostile}")):
        with pytest.raises(UserError, match=r"no diff|a name of"):
            read_diff(read_mail(found).body)


def test_a_paragraph_of_any_length_is_put_together_once() -> None:
    """A minute and a half where each line copies all before it."""
    started = time.process_time()
    assert unflow(b"a \n" * 1_000_000) == b"a " * 1_000_000
    assert time.process_time() - started < 20


def test_the_cover_letter_names_the_series_and_replies_are_left_aside() -> None:
    choice = chosen(
        mail("[PATCH v2 0/2] Pin it", "cover", 1),
        mail("Re: [PATCH v2 1/2] first", f"> {DIFF}", 2),
        mail("[PATCH v2 2/2] second", number=3),
        mail("[PATCH v2 1/2] first", number=4),
        mail("Re: [PATCH v2 1/2] first", BODY, 5),
    )
    assert titles(choice) == ["first", "second"]
    assert choice.version == 2
    assert choice.cover is not None
    assert choice.cover.tag.title == "Pin it"


def test_the_newest_complete_version_is_taken_and_a_newer_rest_is_told() -> None:
    older = [mail(f"[PATCH v2 {n}/2] {n} of v2", number=n) for n in (1, 2)]
    newer = [mail(f"[PATCH v10 {n}/2] {n} of v10", number=10 + n) for n in (1, 2)]
    rest = mail("[PATCH v11 2/2] 2 of v11", number=20)
    assert titles(chosen(*older, *newer)) == ["1 of v10", "2 of v10"]
    choice = chosen(*newer, *older, rest)
    assert titles(choice) == ["1 of v10", "2 of v10"]
    assert choice.notes == ("v11 lacks patch 1 of 2: v10 is taken",)


def test_missing_patches_are_named() -> None:
    mails = [mail(f"[PATCH {n}/5] x", number=n) for n in (1, 3)]
    with pytest.raises(UserError, match="v1 lacks patch 2, 4, 5 of 5"):
        chosen(*mails)


def test_the_same_patch_twice_is_one_and_two_different_ones_are_none() -> None:
    one, two = mail("[PATCH 1/2] x", number=1), mail("[PATCH 2/2] y", number=2)
    assert len(chosen(one, two, one).patches) == 2
    other = mail("[PATCH 1/2] z", BODY.replace("one", "two"), 3)
    with pytest.raises(UserError, match="patch 1 of v1 is there twice and differs") as caught:
        chosen(one, two, other)
    assert caught.value.line is not None
    assert "t.mbox:2" in str(caught.value)


def test_two_series_in_one_mailbox_are_told_apart() -> None:
    with pytest.raises(UserError, match="more than one series is a v1"):
        chosen(mail("[PATCH 1/1] x", number=1), mail("[PATCH 1/2] y", number=2))
    with pytest.raises(UserError, match="patch 3 of only 2"):
        chosen(mail("[PATCH 3/2] x"), mail("[PATCH 1/2] x", number=2))


def test_a_loose_patch_in_the_thread_is_left_aside_and_told() -> None:
    choice = chosen(
        mail("[PATCH 1/1] it", number=1),
        mail("[PATCH v9] another", number=2),
        mail("[RFC] talk", "x"),
    )
    assert titles(choice) == ["it"]
    assert choice.notes == ("left aside, without a number: [PATCH v9] another",)


def test_patches_without_numbers_keep_the_order_of_the_mailbox() -> None:
    mails = mail("[PATCH] b", number=1), mail("[PATCH] a", number=2)
    assert titles(chosen(*mails, mail("Re: [PATCH] b", number=3))) == ["b", "a"]
    revised = mail("[PATCH v2] b", number=4)
    assert titles(chosen(*mails, revised)) == ["b"]


def test_a_list_may_put_its_name_before_every_subject() -> None:
    """Else the order was the mailbox's, and all versions were taken."""
    choice = chosen(
        mail("[dm-devel] [PATCH v2 2/2] two", number=1),
        mail("[dm-devel] [PATCH 1/1] old", number=2),
        mail("[dm-devel] [PATCH v2 1/2] one", number=3),
    )
    assert titles(choice) == ["one", "two"]
    assert choice.version == 2


def test_a_series_of_no_patches_is_none() -> None:
    with pytest.raises(UserError, match="v1 is a series of 0 patches"):
        chosen(mail("[PATCH 0/0] x"), mail("Re: [PATCH 0/0] x", number=2))


def test_a_mailbox_of_talk_holds_no_patch() -> None:
    with pytest.raises(UserError, match="no patch in 2 mails, of which 1 replies"):
        chosen(mail("Re: [PATCH] b", number=3), mail("hello", "you"))


PIECES = st.sampled_from(
    [
        mail("[PATCH v2 1/2] x").encode(),
        mail("[PATCH v2 2/2] y").encode(),
        b"From x Mon Sep 17 00:00:00 2001\n",
        b"Subject: =?utf-8?b?",
        b"Content-Transfer-Encoding: base64\n",
        b'Content-Type: multipart/mixed; boundary="',
        b"Content-Type: text/plain; charset=",
        b"From: ",
        b"\n\n",
        DIFF.encode(),
    ]
)


@settings(deadline=None)
@given(st.lists(st.one_of(PIECES, st.binary(max_size=9)), max_size=12).map(b"".join))
def test_nothing_but_a_users_error_comes_of_noise(noise: bytes) -> None:
    text = Text(b"From: a\n" + noise, Path("t.mbox"))
    with suppress(UserError):
        choose([read_mail(one) for one in split_mails(text)], text)
