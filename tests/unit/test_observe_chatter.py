"""What looks like a report and is none: programs, dumps of the log, hostile lines."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.observe.classes import CLASSES, find_marker
from harness.observe.console import ConsoleReader
from harness.observe.lines import Line, LineCutter
from harness.observe.report_class import ReportClass
from tests.golden.console_file import DIRECTORY, read, split_golden

BOOT = b"".join(
    b"[    %s] %s\n" % pair
    for pair in [
        (b"0.000000", b"Linux version 6.1.192 (d@d) (gcc) #1 SMP @0"),
        (b"0.000000", b"Command line: console=ttyS0"),
        *((b"0.%06d" % (1000 + step), b"step %d" % step) for step in range(40)),
    ]
)


@pytest.mark.parametrize(
    "said",
    [
        b"BUG: unable to handle page fault for address: ffffc90000000000\n",
        b'+\tpr_alert("BUG: kernel NULL pointer dereference, address: %px\\n",\n',
        b"WARNING: CPU: 0 PID: 1 at mm/x.c:1 was in the log\n",
        b"echo 'Kernel panic - not syncing: test' > /tmp/x\n",
        b"Subject: [PATCH] mm: fix BUG: KASAN: use-after-free in foo\n",
        b"INFO: task x:1 blocked for more than 120 seconds. I read\n",
        b"gup_test: BUG: this cannot happen\n",
        b"Out of memory: Killed process 77 (as a test prints it)\n",
    ],
)
def test_what_a_program_says_is_no_report(said: bytes) -> None:
    assert read(BOOT + said * 3 + b"# \n") == ()


def test_report_without_times_is_believed_for_its_stack() -> None:
    said = b"BUG: unable to handle page fault for address: ffffc90000000000\n"
    (report,) = read(BOOT + said + b"RIP: 0010:foo+0x1/0x2\n")
    assert report.function == "foo"


def test_dump_of_the_log_is_no_reboot() -> None:
    assert read(BOOT + b"# dmesg\n" + BOOT + b"[    9.000000] more\n") == ()


def test_second_boot_is_told_from_a_dump_by_its_times() -> None:
    again = re.sub(rb"0\.001(\d\d)\d", rb"0.002\g<1>7", BOOT)
    (report,) = read(BOOT + b"SeaBIOS\n" + again)
    assert (report.kind, report.first_line) == ("reboot", BOOT.count(b"\n") + 2)


def test_second_boot_may_say_a_few_lines_at_the_same_time() -> None:
    again = BOOT.replace(b"0.0010", b"0.0020").replace(b"0.002000", b"0.001000")
    assert [report.kind for report in read(BOOT + again)] == ["reboot"]


def test_boot_of_a_kernel_after_another_is_a_reboot_without_the_first_banner() -> None:
    (report,) = read(b"[  500.720639] EFER = 0x0000000000000d01\nSeaBIOS\n" + BOOT)
    assert (report.kind, report.first_line) == ("reboot", 3)


def test_hypervisor_that_has_times_as_well_is_no_kernel_before() -> None:
    assert read(b"(XEN) [   12.345678] Xen is relinquishing VGA console.\n" + BOOT) == ()


def test_boots_in_a_systems_log_are_no_resets() -> None:
    logged = re.sub(rb"(?m)^\[", b"Nov  1 12:34:56 dax-7 kernel: [", BOOT)
    again = re.sub(rb"0\.001", b"0.002", logged)
    assert read(logged + again) == ()


def test_panic_of_the_next_boot_is_not_the_last_ones() -> None:
    panic = b"[    1.000001] Kernel panic - not syncing: Attempted to kill init!\n"
    again = re.sub(rb"0\.001", b"0.002", BOOT)
    kinds = [report.kind for report in read(BOOT + panic + again + panic)]
    assert kinds == ["panic", "reboot", "panic"]


def test_clean_consoles_are_among_the_recorded() -> None:
    clean = list(DIRECTORY.glob("*clean*.txt"))
    assert len(clean) >= 6
    for path in clean:
        assert read(split_golden(path)[1]) == ()


def test_clean_console_dumped_again_is_clean() -> None:
    for path in DIRECTORY.glob("*-clean.txt"):
        log = split_golden(path)[1]
        kernel = re.search(rb"(?m)^\[ *0\.0", log)
        if kernel is not None:  # else it is a firmware's alone
            assert read(log + b"# dmesg\n" + log[kernel.start() :]) == ()


@pytest.mark.parametrize("path", sorted(DIRECTORY.glob("*.txt")), ids=lambda path: path.stem)
def test_reports_are_told_once_though_the_log_is_printed_again(path: Path) -> None:
    log = split_golden(path)[1]
    once = read(log)
    again = log[log.find(b"[    0.000000]") :] if b"[    0.000000]" in log else log
    assert [report.title for report in read(log + b"\n# dmesg\n" + again)] == [
        report.title for report in once
    ]


HOSTILE = [
    b"A" * 300_000,
    b"WARNING: " * 30_000,
    b"[ 1.000000] " * 20_000,
    b"\r" * 300_000,
    b"\n" * 300_000,
    (b"INFO: task " * 300 + b"\n") * 100,
]


@pytest.mark.parametrize("hostile", HOSTILE, ids=lambda data: repr(data[:12]))
def test_work_grows_with_length_only(hostile: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Patterns see every byte once, in pieces whose length is bounded."""
    seen: list[int] = []

    def counted(text: str, *, timed: bool) -> object:
        seen.append(len(text))
        return find_marker(text, timed=timed)

    monkeypatch.setattr("harness.observe.console.find_marker", counted)
    reader = ConsoleReader()
    reader.feed(hostile)
    reader.close()
    assert sum(seen) <= len(hostile)
    assert max(seen, default=0) <= 1200


REPEATED = [
    b"[   12.345678] a line like any other\n",
    b"x",
    b"\x1b[31m\r",
    b"[    0.000000] Linux version 6.1\n[    1.000000] x\n",
    b"BUG: workqueue lockup - pool\n" + b"x\n" * 9,
    b"BUG: KASAN: bad in f+0x1/0x2\n f+0x1/0x2\nKernel panic - not syncing: x\n",
    b"BUG: KASAN: bad in f drivers/x.c:1 [inline]\n",
    b"Nov  1 12:34:56 dax-7 kernel: ",
    b"WARNING: CPU: 0 PID: 1 at mm/x.c:1 f+0x1/0x2\n---[ end trace 0 ]---\n",
    b"[    1.000001][T1] Oops: a [#1]\n[    1.000001][T2] Oops: a [#1]\n",
]


def calls_to_read(data: bytes) -> int:
    """How many functions are called meanwhile, those of the interpreter's own included."""
    count = 0

    def counted(_frame: object, event: str, _arg: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    reader = ConsoleReader()
    before = sys.getprofile()
    sys.setprofile(counted)
    try:
        reader.feed(data)
        reader.close()
    finally:
        sys.setprofile(before)
    return count


@pytest.mark.parametrize("piece", REPEATED, ids=lambda data: repr(data[:16]))
def test_twice_as_much_is_twice_the_work(piece: bytes) -> None:
    """Beyond what a report may have at most, after which nothing more is kept."""
    data = piece * (50_000 // len(piece))
    assert calls_to_read(data + data) <= 2.1 * calls_to_read(data)


def test_a_line_is_never_held_longer_than_its_limit() -> None:
    cutter = LineCutter()

    def pieces() -> Iterator[Line]:
        for _ in range(3000):
            yield from cutter.feed(b"x" * 100)
        yield from cutter.close()

    assert max(len(line.text) for line in pieces()) <= 1200


def repeats(pattern: re.Pattern[str]) -> Iterator[int]:
    """How many unbounded repeats lie within each other, for every innermost one."""

    def walk(node: object, depth: int) -> Iterator[int]:
        if not isinstance(node, (list, tuple, re._parser.SubPattern)):  # type: ignore[attr-defined]
            return
        items = list(node)
        name = str(items[0]) if items else ""
        if name in ("MAX_REPEAT", "MIN_REPEAT") and items[1][1] is re._constants.MAXREPEAT:  # type: ignore[attr-defined]
            depth += 1
            yield depth
        for item in items:
            yield from walk(item, depth)

    yield from walk(re._parser.parse(pattern.pattern), 0)  # type: ignore[attr-defined]


@pytest.mark.parametrize("report_class", CLASSES, ids=lambda row: row.marker.pattern[:40])
def test_no_pattern_repeats_a_repeat(report_class: ReportClass) -> None:
    patterns = (report_class.marker, report_class.end, report_class.detail)
    for pattern in patterns:
        assert pattern is None or max(repeats(pattern), default=0) <= 1
