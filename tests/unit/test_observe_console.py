"""Recorded consoles, and everything that may happen to their text on the way.

With DAXHOUND_UPDATE_GOLDEN set the headers of the golden files are written anew, and the
test fails all the same.
"""

from __future__ import annotations

import os
import random
import re
import time
import tracemalloc
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.observe.console import ConsoleReader
from harness.observe.lines import LineCutter
from tests.golden.console_file import DIRECTORY, headers_of, read, split_golden, write_golden

GOLDEN = sorted(DIRECTORY.glob("*.txt"))
NAMES = [path.stem for path in GOLDEN]
CRASH = next(path for path in GOLDEN if path.stem == "ppc64-hash-devdax-crash")


@pytest.mark.parametrize("path", GOLDEN, ids=NAMES)
def test_recorded_console_gives_its_reports(path: Path) -> None:
    headers, log = split_golden(path)
    wanted = [pair for pair in headers if pair[0] != "from"]
    seen = headers_of(read(log))
    if seen != wanted and os.environ.get("DAXHOUND_UPDATE_GOLDEN"):
        write_golden(path, dict(headers)["from"], log)
    assert seen == wanted


def without_times(log: bytes) -> bytes:
    return re.sub(rb"(?m)^\[ *\d+\.\d+\] ?", b"", log)


def with_callers(log: bytes) -> bytes:
    return re.sub(rb"(?m)^(\[ *\d+\.\d+\])", rb"\1[   T42]", log)


def with_levels(log: bytes) -> bytes:
    return re.sub(rb"(?m)^(\[ *\d+\.\d+\])", rb"<4>\1", log)


def with_carriage_returns(log: bytes) -> bytes:
    return log.replace(b"\r", b"").replace(b"\n", b"\r\n")


def with_colours(log: bytes) -> bytes:
    green, red, plain = b"\x1b[32m", b"\x1b[1;31m", b"\x1b[0m"
    coloured = re.sub(rb"(?m)^(\[ *\d+\.\d+\] )", green + rb"\1" + plain + red, log)
    return coloured.replace(b"\n", plain + b"\n")


def with_lost_starts(log: bytes) -> bytes:
    """Every line loses half of its time, as a busy UART loses bytes."""
    return re.sub(rb"(?m)^\[ *\d+\.(\d\d)", b"", log)


def with_a_user_before(log: bytes) -> bytes:
    """A program prints without ending its line, all the time."""
    return re.sub(rb"(?m)^\[ *\d+\.\d{6}\]", lambda match: b"100 % done" + match[0], log)


def with_syslog_stamps(log: bytes) -> bytes:
    return re.sub(rb"(?m)^(\[ *\d+\.\d{6}\])", rb"Nov  1 12:34:56 dax-7 kernel: \1", log)


def as_the_journal_shows_it(log: bytes) -> bytes:
    """Without printk's time, as ``journalctl -k`` has it by default."""
    return re.sub(rb"(?m)^\[ *\d+\.\d{6}\] ?", b"Nov 01 12:34:56 dax-7 kernel: ", log)


def with_a_logger_of_the_port(log: bytes) -> bytes:
    return re.sub(rb"(?m)^", b"2026-11-01T12:34:56.789+01:00  ", log)


def with_the_time_of_day(log: bytes) -> bytes:
    """``dmesg --ctime``"""
    return re.sub(rb"(?m)^\[ *\d+\.\d{6}\]", b"[Sun Nov  1 12:34:56 2026]", log)


def for_people(log: bytes) -> bytes:
    """``dmesg --human``: the minute where it changes, and how much later a line came."""
    log = re.sub(rb"(?m)^\[ *\d+\.(?=\d{6}\])", b"[  +0.", log)
    return re.sub(rb"(?m)^\[  \+0\.\d{5}0\]", b"[Nov 1 12:34]", log)


def with_deltas(log: bytes) -> bytes:
    """``dmesg --show-delta --decode``"""
    return re.sub(rb"(?m)^(\[ *\d+\.\d{6})\]", rb"kern  :warn  : \1 <    0.000012>]", log)


def through_netconsole(log: bytes) -> bytes:
    """The extended form, which /dev/kmsg has as well."""
    return re.sub(rb"(?m)^\[ *(\d+)\.(\d{6})\] ?", rb"4,1234,\1\2,-,caller=T42;", log)


def of_another_build(log: bytes) -> bytes:
    """Other offsets, clones, addresses and process numbers, another second."""
    log = re.sub(rb"\b([a-z_]\w*)\+0x[1-9a-f][0-9a-f]*/0x[0-9a-f]+", rb"\1.isra.0+0x9/0x77", log)
    log = re.sub(rb"\[(<?)[0-9a-f]{16}(>?)\]", rb"[\1c0000000deadbee0\2]", log)
    log = re.sub(rb"\b(PID:? |pid=?:? ?)\d+", rb"\g<1>4711", log)
    return re.sub(rb"(?m)^(\[ *)(\d+)\.", lambda time: b"%s7%s." % (time[1], time[2]), log)


def with_noise_around(log: bytes) -> bytes:
    noise = bytes(random.Random(7).choices(range(128, 256), k=9000))
    return noise + b"\n" + log + b"\n" + noise


CHANGES = [
    without_times,
    with_callers,
    with_levels,
    with_carriage_returns,
    with_colours,
    with_lost_starts,
    with_a_user_before,
    with_syslog_stamps,
    as_the_journal_shows_it,
    with_a_logger_of_the_port,
    with_the_time_of_day,
    for_people,
    with_deltas,
    through_netconsole,
    of_another_build,
    with_noise_around,
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
@pytest.mark.parametrize("path", GOLDEN, ids=NAMES)
def test_reports_do_not_depend_on_how_lines_are_printed(
    path: Path, change: Callable[[bytes], bytes]
) -> None:
    log = split_golden(path)[1]
    plain, changed = read(log), read(change(log))
    assert headers_of(changed) == headers_of(plain)
    assert [r.fingerprint for r in changed] == [r.fingerprint for r in plain]


@pytest.mark.parametrize("path", GOLDEN, ids=NAMES)
def test_cutting_the_text_into_pieces_changes_nothing(path: Path) -> None:
    log = split_golden(path)[1]
    whole, reader = read(log), ConsoleReader()
    for start in range(0, len(log), 7):
        reader.feed(log[start : start + 7])
    reader.close()
    assert reader.reports == whole


@pytest.mark.parametrize("path", GOLDEN, ids=NAMES)
def test_lines_of_a_report_are_those_of_the_console(path: Path) -> None:
    log = split_golden(path)[1]
    lines = log.split(b"\n")
    for report in read(log):
        assert 1 <= report.first_line <= report.last_line <= len(lines)
        own = b"\n".join(lines[report.first_line - 1 : report.last_line])
        again = read(own)
        assert again[0].title == report.title
        assert read(b"\n".join(lines[: report.first_line - 1])) == tuple(
            earlier for earlier in read(log) if earlier.last_line < report.first_line
        )


def test_crash_of_the_mission_names_the_function_at_fault() -> None:
    (report,) = read(split_golden(CRASH)[1])
    assert report.function == "__init_single_page"
    assert report.severity == "fatal"
    assert "c00c000001000038" not in report.title
    assert "0xc00c000001000038" in report.text
    assert "memmap_init_zone_device" in report.text


def test_hash_and_radix_crash_in_one_function_but_are_two_failures() -> None:
    radix = CRASH.with_name("ppc64-radix-devdax-crash.txt")
    (on_hash,), (on_radix,) = read(split_golden(CRASH)[1]), read(split_golden(radix)[1])
    assert on_hash.function == on_radix.function
    assert on_hash.fingerprint != on_radix.fingerprint


def test_fingerprint_is_free_of_addresses_times_and_process_ids() -> None:
    log = split_golden(CRASH)[1]
    other = re.sub(rb"c0000000028d", b"c000000004ab", log)
    other = re.sub(rb"\[    1\.", b"[  123.", other).replace(b"PID: 45", b"PID: 4711")
    other = other.replace(b"0xc00c000001000038", b"0xc00c000100400038")
    other = other.replace(b"__init_single_page+0xc/0x3c", b"__init_single_page.isra.74+0x14/0x4c")
    assert other != log
    assert [r.fingerprint for r in read(other)] == [r.fingerprint for r in read(log)]
    assert [r.title for r in read(other)] == [r.title for r in read(log)]


def test_what_lies_on_the_stack_beside_the_trace_is_not_at_fault() -> None:
    log = (
        b"BUG: Kernel NULL pointer dereference on write at 0x00000000\n"
        b"NIP [c000000000012345] memcpy+0x10/0x20\n"
        b"Call Trace:\n"
        b"[c0000000028d3280] [c0000000006c1f08] innocent+0x48/0xa0 (unreliable)\n"
        b" ? innocent_too+0x48/0xa0\n"
        b"[c0000000028d32b0] [c000000000184254] guilty+0x194/0x330\n"
        b"---[ end trace 0000000000000000 ]---\n"
    )
    (report,) = read(log)
    assert report.function == "guilty"


def test_helpers_between_the_frames_do_not_make_another_failure() -> None:
    log = (
        b"WARNING: CPU: 0 PID: 1 at mm/x.c:1 guilty+0x1/0x2\n"
        b"Call Trace:\n%s caller+0x1/0x2\n callers_caller+0x1/0x2\n"
        b"---[ end trace 0000000000000000 ]---\n"
    )
    (plain,), (helped,) = read(log % b""), read(log % b" mutex_lock+0x1/0x2\n")
    (other,) = read(log % b" someone_else+0x1/0x2\n")
    assert plain.fingerprint == helped.fingerprint != other.fingerprint


def test_panic_belongs_to_its_oops_even_when_the_reader_was_asked_in_between() -> None:
    log = split_golden(CRASH)[1]
    oops, panic, rest = log.partition(b"Kernel panic")
    assert panic
    reader = ConsoleReader()
    reader.feed(oops)
    assert reader.open_report is None
    (before,) = reader.reports
    reader.feed(panic + rest)
    reader.close()
    (after,) = reader.reports
    assert after.last_line > before.last_line
    assert (after.title, after.fingerprint) == (before.title, before.fingerprint)
    assert "Kernel panic - not syncing" in after.text


def test_report_is_open_until_its_end_has_come() -> None:
    log = split_golden(CRASH)[1]
    middle = log.index(b"Call Trace")
    reader = ConsoleReader()
    reader.feed(log[: log.index(b"BUG: Unable")])
    assert reader.open_report is None
    reader.feed(log[log.index(b"BUG: Unable") : middle])
    assert reader.reports == ()
    assert reader.open_report is not None
    assert reader.open_report.function == "__init_single_page"
    reader.close()
    assert reader.open_report is None
    assert len(reader.reports) == 1


def test_line_is_judged_only_when_it_is_complete() -> None:
    reader = ConsoleReader()
    reader.feed(b"[    1.0] BUG: unable to handle page fault for addr")
    assert (reader.reports, reader.open_report) == ((), None)
    reader.feed(b"ess: ffffc90000000000\n")
    assert reader.open_report is not None


def test_another_tasks_lines_do_not_name_the_function() -> None:
    log = (
        b"[    1.000001][   T42] BUG: unable to handle page fault for address: ffffc90000000000\n"
        b"[    1.000002][    T7] RIP: 0010:innocent+0x1/0x2\n"
        b"[    1.000003][    T7] ---[ end trace 0000000000000000 ]---\n"
        b"[    1.000004][   T42] RIP: 0010:guilty+0x1/0x2\n"
        b"[    1.000005][   T42] ---[ end trace 0000000000000000 ]---\n"
    )
    (report,) = read(log)
    assert report.function == "guilty"
    assert report.last_line == 5


def test_second_banner_is_a_reboot_and_one_is_not() -> None:
    banner = b"[    0.000000] Linux version 6.1.192 (d@d) (gcc) #1 SMP @0\n"
    assert read(banner + b"[    1.000000] x\n") == ()
    (report,) = read(banner + b"[    1.000000] x\n" + banner)
    assert (report.kind, report.first_line) == ("reboot", 3)
    assert read(b"Preparing to boot Linux version 6.1.192 (d@d)\n" + banner) == ()


def test_warning_with_a_message_takes_the_message_as_what_it_is() -> None:
    log = (
        b"------------[ cut here ]------------\n"
        b"pages[0] is NOT dma-pinned\n"
        b"WARNING: CPU: 0 PID: 77 at mm/gup_test.c:50 verify_dma_pinned+0x12/0x34\n"
        b"NIP [c000000000123456] verify_dma_pinned+0x12/0x34\n"
        b"---[ end trace 0000000000000000 ]---\n"
    )
    (report,) = read(log)
    assert (report.kind, report.function) == ("gup-pin", "verify_dma_pinned")
    assert (report.first_line, report.last_line) == (1, 5)


def test_guest_that_complains_without_end_costs_little() -> None:
    one = split_golden(CRASH)[1]
    reader = ConsoleReader()
    warning = (
        b"------------[ cut here ]------------\n"
        b"WARNING: CPU: 0 PID: 1 at mm/x.c:1 f+0x1/0x2\n" + b"x" * 70 + b"\n"
    )
    for _ in range(2000):
        reader.feed(warning)
    reader.feed(one)
    reader.close()
    assert len(reader.reports) <= 64
    assert sum(len(report.text) for report in reader.reports) < 1 << 20


WARNING = (
    b"[%5d.000001] ------------[ cut here ]------------\n"
    b"[%5d.000002] WARNING: CPU: 0 PID: 1 at mm/x.c:1 f%d+0x1/0x2\n"
    b"[%5d.000003] RIP: 0010:f%d+0x1/0x2\n"
    b"[%5d.000004] ---[ end trace 0000000000000000 ]---\n"
)
OOPS = (
    b"[  600.000001] BUG: unable to handle page fault for address: ffffc90000000000\n"
    b"[  600.000002] RIP: 0010:guilty+0x1/0x2\n"
    b"[  600.000003] ---[ end trace 0000000000000000 ]---\n"
)


def warning(second: int, number: int) -> bytes:
    return WARNING % (second, second, number, second, number, second)


@pytest.mark.parametrize("functions", [1, 7, 500])
def test_new_report_is_told_however_many_came_before(functions: int) -> None:
    log = b"".join(warning(second, second % functions) for second in range(500))
    reports = read(log + OOPS + warning(601, 999))
    assert [report.function for report in reports[-2:]] == ["guilty", "f999"]
    assert {report.function for report in reports[:-2]} == {f"f{n}" for n in range(functions)}
    assert [report.first_line for report in reports] == sorted(r.first_line for r in reports)


def test_fatal_report_stays_whatever_comes_after() -> None:
    before = b"".join(warning(number, number) for number in range(100))
    after = b"".join(warning(number, number) for number in range(100, 1200))
    fatal = [r for r in read(before + OOPS + after) if r.severity == "fatal"]
    assert [report.function for report in fatal] == ["guilty"]


def test_panic_is_not_put_down_to_a_warning_of_long_ago() -> None:
    log = b"".join(warning(second, 0) for second in range(100))
    quiet = b"".join(b"[  200.%06d] all is well\n" % number for number in range(100))
    (*_, last) = read(
        log + quiet + b"[  300.000001] Kernel panic - not syncing: panic_on_warn set\n"
    )
    assert (last.kind, last.severity) == ("panic", "fatal")


def test_panic_belongs_to_the_last_of_many_that_are_alike() -> None:
    log = b"".join(warning(second, 0) for second in range(100))
    *others, last = read(log + b"[  300.000001] Kernel panic - not syncing: panic_on_warn set\n")
    assert (last.kind, last.severity) == ("warning", "fatal")
    assert {report.severity for report in others} == {"warning"}


def test_memory_has_a_bound_however_many_different_reports_come() -> None:
    frames = b"".join(b" frame_of_a_long_trace_%d+0x1/0x2\n" % number for number in range(30))
    reader = ConsoleReader()
    for number in range(1100):
        reader.feed(b"BUG: KASAN: use-after-free in f%d+0x1/0x2\n" % number + frames)
    reader.close()
    assert len(reader.reports) <= 1024
    assert sum(len(report.text) for report in reader.reports) < 2 << 20
    assert "frame_of_a_long_trace_29" in reader.reports[0].text
    assert "frame_of_a_long_trace_29" in reader.reports[-1].text


def test_text_of_one_endless_report_is_capped() -> None:
    reader = ConsoleReader()
    reader.feed(b"BUG: unable to handle page fault for address: ffffc90000000000\n")
    for index in range(20_000):
        reader.feed(b" f%d+0x1/0x2\n" % index)
    reader.close()
    (report, *_) = reader.reports
    assert len(report.text) < 64 << 10
    assert "lines left out" in report.text


@pytest.mark.parametrize(
    "hostile",
    [
        b"A" * 2_000_000,
        b"[#1 " * 500_000,
        b"Oops " * 400_000,
        (b"general protection fault" * 160 + b"\n") * 500,
        b"\x1b[" * 1_000_000,
        b"[ 1.000000] " * 150_000,
        b"a" * 4000 + b"\n" + (b"BUG: " * 800 + b"\n") * 400,
    ],
    ids=[
        "no-newline",
        "oops-number",
        "words",
        "faults",
        "escapes",
        "times",
        "bugs",
    ],
)
def test_time_grows_with_length_only(hostile: bytes) -> None:
    started = time.process_time()
    read(hostile)
    assert time.process_time() - started < 10


def test_a_line_without_end_costs_no_more_at_once_than_by_pieces() -> None:
    def seconds(size: int) -> float:
        cutter, started = LineCutter(), time.process_time()
        for _ in range((16 << 20) // size):
            assert list(cutter.feed(b"w " * (size // 2)))
        return time.process_time() - started

    assert seconds(16 << 20) < 4 * seconds(4 << 10)


def test_a_line_without_end_is_not_kept_with_the_report_that_it_comes_in() -> None:
    reader = ConsoleReader()
    reader.feed(b"[    0.500000] first words\n")
    reader.feed(b"[    1.000000] WARNING: CPU: 0 PID: 1 at mm/gup.c:1 try_grab_folio+0x1/0x2\n")
    tracemalloc.start()
    for _ in range(512):
        reader.feed(b"word " * 800)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 20
    reader.close()
    assert [report.kind for report in reader.reports] == ["warning"]


@settings(max_examples=60)
@given(st.binary(max_size=3000), st.lists(st.integers(0, 3000), max_size=8))
def test_any_bytes_cut_anywhere_are_read_alike(data: bytes, cuts: list[int]) -> None:
    reader = ConsoleReader()
    edges = [0, *sorted(cuts), len(data)]
    for begin, end in pairwise(edges):
        reader.feed(data[begin:end] if end > begin else b"")
    reader.close()
    assert reader.reports == read(data)
