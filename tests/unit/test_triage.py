"""Triage of consoles and of mails that quote one, down to the scenario to try."""

from __future__ import annotations

import base64
import bz2
import gzip
import io
import json
import lzma
import quopri
import re
import sys
import textwrap
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.cli import main
from harness.scenario.find import all_scenarios
from harness.target import load_targets
from harness.triage import find_reports, load_hints, render_text, suggest
from harness.triage.finding import Finding
from harness.triage.suggest import nearest_version
from harness.triage.wrapped import unwrap
from tests.golden.console_file import DIRECTORY, split_golden

CRASH = split_golden(DIRECTORY / "ppc64-hash-devdax-crash.txt")[1]
OOPS = re.sub(rb"(?m)^\[ *\d+\.\d{6}\] ", b"", CRASH[CRASH.index(b"BUG: Unable") - 15 :])
PROSE = b"""\
From: Someone <someone@example.org>
Subject: devdax: crash while a namespace is probed
Date: Sat, 21 Nov 2026 10:00:00 +0000

Creating a namespace on a hash guest ends like this, while radix is fine:

"""


def only(data: bytes) -> Finding:
    (finding,) = find_reports(data)
    return finding


def as_it_is(oops: bytes) -> bytes:
    return PROSE + oops


def quoted(oops: bytes) -> bytes:
    return PROSE + b"\n".join(b"> > " + line for line in oops.splitlines()) + b"\n\nThanks!\n"


def quoted_printable(oops: bytes) -> bytes:
    head, _, _ = PROSE.partition(b"\n\n")
    head += b"\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8"
    head += b"\nContent-Transfer-Encoding: quoted-printable\n\n"
    return head + quopri.encodestring(b"Look:\n\n" + oops)


def in_base64(oops: bytes) -> bytes:
    head, _, _ = PROSE.partition(b"\n\n")
    head += b"\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8"
    head += b"\nContent-Transfer-Encoding: base64\n\n"
    return head + base64.encodebytes(oops)


def pasted_quoted_printable(oops: bytes) -> bytes:
    return quopri.encodestring(quoted(oops))


def wrapped(oops: bytes) -> bytes:
    """Broken at the last space before column 60, as mail programs do."""
    return PROSE + re.sub(rb"(?m)^(.{30,60}) (?=\S)(.+)$", rb"\1\n\2", oops)


def timed(oops: bytes) -> bytes:
    return PROSE + re.sub(rb"(?m)^", b"> [   12.345678] ", oops)


def on_one_line(oops: bytes) -> bytes:
    return PROSE + b"> " + b" > ".join(oops.split(b"\n"))


def decoded(oops: bytes) -> bytes:
    """As scripts/decode_stacktrace.sh leaves it."""
    return PROSE + re.sub(rb"\+0x[0-9a-f]+/0x[0-9a-f]+", b" (mm/mm_init.c:77)", oops)


@pytest.mark.parametrize(
    "mailed",
    [
        as_it_is,
        decoded,
        quoted,
        quoted_printable,
        in_base64,
        pasted_quoted_printable,
        wrapped,
        timed,
        on_one_line,
    ],
)
def test_crash_is_known_whatever_a_mailer_did_to_it(mailed: Callable[[bytes], bytes]) -> None:
    finding = only(mailed(OOPS))
    assert finding.report.title == "kernel data access on write in __init_single_page"
    assert (finding.arch, finding.mmu, finding.page_size) == ("ppc64", "hash", 65536)
    assert finding.kernel == "6.1.192"
    suggestion = suggest(finding, load_hints(), load_targets())
    assert suggestion is not None
    assert suggestion.cell.scenario == "devdax-above-16g"
    assert suggestion.cell.target.name == "ppc64-hash"
    assert any("dev_dax_probe" in reason for reason in suggestion.reasons)


@pytest.mark.parametrize("mailed", [as_it_is, quoted, timed])
def test_lines_are_those_of_the_mail(mailed: Callable[[bytes], bytes]) -> None:
    mail = mailed(OOPS)
    first = only(mail).report.first_line
    assert b"BUG: Unable to handle" in mail.splitlines()[first - 1]


def test_mail_and_console_have_one_fingerprint() -> None:
    assert only(quoted(OOPS)).report.fingerprint == only(CRASH).report.fingerprint


@pytest.mark.parametrize("width", [80, 132])
@pytest.mark.parametrize("name", ["arm64-write-ro", "ppc64-slab-poison", "s390x-null-write"])
def test_console_that_a_terminal_wrapped_is_whole_again(name: str, width: int) -> None:
    log = split_golden(DIRECTORY / f"{name}.txt")[1].replace(b"\r", b"")
    lines = [
        line[start : start + width]
        for line in log.split(b"\n")
        for start in range(0, max(1, len(line)), width)
    ]
    wrapped = b"\r\n".join(lines)
    titles = [finding.report.title for finding in find_reports(wrapped)]
    assert titles == [finding.report.title for finding in find_reports(log)]


def test_lines_of_one_length_are_not_put_together() -> None:
    code = "[    1.000000] Code: " + "ff " * 25
    log = (CRASH.decode() + f"\n{code}\n[    1.000001] x" * 9).encode()
    assert unwrap(log) == log


def test_panic_without_a_stack_is_believed_for_its_times() -> None:
    log = split_golden(DIRECTORY / "x86_64-sysrq-c.txt")[1]
    end = log[log.rindex(b"\n", 0, log.index(b"Kernel panic")) + 1 :]
    assert only(PROSE + re.sub(rb"(?m)^", b"> ", end)).report.kind == "panic"


def test_timed_lines_that_a_mailer_wrapped_are_whole_again() -> None:
    log = split_golden(DIRECTORY / "arm64-write-ro.txt")[1]
    lines = [textwrap.fill(line, 76) for line in log.decode().splitlines()]
    wrapped = PROSE + "\n".join(lines).encode()
    assert only(wrapped).report.title == only(log).report.title


@pytest.mark.parametrize(
    ("broken", "title"),
    [
        (
            "UBSAN: array-index-out-of-bounds in\ndrivers/foo/a-file-of-a-long-name.c:1234:45\n"
            "[   12.345679] index 8 is out of range for type 'u32 [8]'\n",
            "UBSAN: array-index-out-of-bounds in foo_send",
        ),
        (
            "kernel BUG at\ndrivers/foo/a-file-of-a-long-name.c:1234!\n"
            "[   12.345679] Oops: invalid opcode: 0000 [#1] SMP\n",
            "kernel BUG in foo_send",
        ),
        (
            "WARNING: CPU: 0 PID: 77 at\n../drivers/foo/a_file.rs:1234 foo_send+0x1a/0x2b0\n",
            "WARNING in foo_send",
        ),
    ],
)
def test_place_in_the_source_may_be_on_a_line_of_its_own(broken: str, title: str) -> None:
    trace = "[   12.345680] Call Trace:\n[   12.345681]  foo_send+0x1a/0x2b0\n"
    assert only(PROSE + f"[   12.345678] {broken}{trace}".encode()).report.title == title


@pytest.mark.parametrize(
    "text",
    [
        b'+\tpr_alert("BUG: unable to handle page fault for address: %px\\n", address);\n',
        b"+ * WARNING: CPU: 0 PID: 1 at mm/gup.c:1 would be printed twice otherwise\n",
        b'> this is what "kernel BUG at mm/gup.c:77!" was about, I think\n',
        b"I saw BUG: KASAN: use-after-free in foo_probe once, but cannot reproduce it\n",
        b"BUG: the locking here is wrong\n",
        b'> > -\tpanic("Kernel panic - not syncing: foo");\n',
        b"INFO: task hung in foo was reported by a bot\n",
    ],
)
def test_mail_that_talks_of_crashes_has_none(text: bytes) -> None:
    assert find_reports(PROSE + text * 3) == ()


def test_radix_crash_is_led_to_a_radix_guest() -> None:
    radix = split_golden(DIRECTORY / "ppc64-radix-devdax-crash.txt")[1]
    suggestion = suggest(only(radix), load_hints(), load_targets())
    assert suggestion is not None
    assert suggestion.cell.target.name == "ppc64-radix"
    assert suggestion.cell.scenario == "devdax-map-mem"


def test_crash_that_no_scenario_touches_gets_no_suggestion() -> None:
    log = split_golden(DIRECTORY / "ppc64-bug.txt")[1]
    assert suggest(only(log), load_hints(), load_targets()) is None


def test_every_hint_leads_to_a_cell() -> None:
    scenarios = {scenario.name for scenario in all_scenarios()}
    hints = load_hints()
    assert {hint.scenario for hint in hints} <= scenarios
    assert len({hint.scenario for hint in hints}) == len(hints)
    finding = only(CRASH)
    for hint in hints:
        assert suggest(finding, [hint], load_targets()) or hint.mmu != "hash"


def test_json_is_empty_where_there_is_nothing(
    tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path_factory.mktemp("triage") / "console.log"
    path.write_bytes(split_golden(DIRECTORY / "s390x-clean.txt")[1])
    assert main(["triage", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"reports": []}


def test_json_has_all_that_is_known(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["triage", str(DIRECTORY / "ppc64-hash-devdax-crash.txt"), "--json"]) == 0
    (report,) = json.loads(capsys.readouterr().out)["reports"]
    assert report["function"] == "__init_single_page"
    assert report["severity"] == "fatal"
    assert report["first_line"] < report["last_line"]
    assert report["suggestion"]["scenario"] == "devdax-above-16g"
    assert report["suggestion"]["steps"]


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress, bz2.compress])
def test_what_is_packed_is_unpacked(
    pack: Callable[[bytes], bytes],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A packed console without a word that looks like a report is no console without one."""
    path = tmp_path / "console"
    path.write_bytes(CRASH)
    assert main(["triage", str(path)]) == 0
    plain = capsys.readouterr().out
    path.write_bytes(pack(CRASH))
    assert main(["triage", str(path)]) == 0
    assert capsys.readouterr().out == plain
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(path.open("rb")))
    assert main(["triage", "-"]) == 0
    assert capsys.readouterr().out == plain
    path.write_bytes(pack(CRASH)[:-20])
    assert main(["triage", str(path)]) == 4
    assert f"{path}: cannot be unpacked: " in capsys.readouterr().err


def test_what_is_no_log_is_told_with_what_would_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "packed").write_bytes(b"\x28\xb5\x2f\xfd" + bytes(99))
    (tmp_path / "cell").mkdir()
    (tmp_path / "cell/console.log").write_bytes(CRASH)
    for name, hint in (
        ("packed", "zstd -dc FILE | daxhound triage -"),
        ("cell", f"{tmp_path}/cell/console.log"),
        (".", "the console.log of a cell in it"),
    ):
        assert main(["triage", str(tmp_path / name)]) == 4
        assert capsys.readouterr().err.endswith(f"\n  try: {hint}\n")


def test_missing_file_is_bad_input(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["triage", "/no/such/file"]) == 4
    assert "cannot be read" in capsys.readouterr().err


def test_no_escape_of_a_log_reaches_the_terminal() -> None:
    log = b"Kernel panic - not syncing: \x9b31m\xc2\x9b2J\xe2\x80\xaeevil\n"
    text = render_text([(finding, None) for finding in find_reports(log)])
    assert "panic" in text
    assert all(c.isprintable() or c == "\n" for c in text)


@pytest.mark.parametrize(
    ("release", "version"),
    [
        ("6.12.0-rc3", "6.12"),
        ("6.1.55", "6.1"),
        ("6.8.0-45-generic", "6.12"),
        ("5.10.0", "6.1"),
        ("7.0.0", "7.2"),
        ("next-20261120", None),
    ],
)
def test_the_kernel_that_is_nearest_to_the_reports(release: str, version: str | None) -> None:
    assert nearest_version(release, ["6.1", "6.12", "7.2", "7.3"]) == version


def test_the_command_takes_the_nearest_kernel_and_says_so() -> None:
    finding = replace(only(CRASH), kernel="6.12.0-rc3")
    suggestion = suggest(finding, load_hints(), load_targets(), ["6.1", "6.12"])
    text = render_text([(finding, suggestion)])
    assert "debian:6.12 is the nearest to 6.12.0-rc3" in text
    assert text.endswith(" --arch ppc64-hash --kernel debian:6.12")


@pytest.mark.parametrize(
    ("told", "target", "why"),
    [
        ({}, "ppc64-hash", "ppc64-hash is the report's machine"),
        ({"page_size": 4096}, "ppc64-hash-4k", "ppc64-hash-4k is the report's machine"),
        (
            {"page_size": 256 << 10},
            "ppc64-hash",
            "ppc64-hash is nearest to the report's machine, which has pages of 256K",
        ),
        (
            {"arch": "arm64", "mmu": None, "page_size": 65536},
            "arm64-64k",
            "arm64-64k is the report's machine",
        ),
        (
            {"arch": "arm64", "mmu": None, "page_size": None},
            "arm64",
            "arm64 is the report's machine",
        ),
    ],
)
def test_a_report_is_led_to_a_guest_with_pages_of_its_size(
    told: dict[str, Any], target: str, why: str
) -> None:
    hints = [hint for hint in load_hints() if hint.scenario == "devdax-map-mem"]
    hint = hints[0].model_copy(update={"mmu": None, "functions": ("dev_dax_probe", "memremap_.*")})
    suggestion = suggest(replace(only(OOPS), **told), [hint], load_targets())
    assert suggestion is not None
    assert suggestion.cell.target.name == target
    assert suggestion.reasons[-1] == why


def test_a_release_that_is_none_is_nearest_to_none() -> None:
    assert nearest_version("9" * 5000 + ".1", ["6.1"]) is None
