"""dump_page()'s text of three kernels, and the messages about poison."""

from __future__ import annotations

from harness.observe.console import ConsoleReader
from harness.observe.dump_page import DumpedPage, parse_dump
from harness.observe.memory_failure import parse_memory_failure

# Of an arm64 guest, 6.1.192.
OLD = """\
[    9.786683] ---- page #1, starting from user virt addr: 0x7faaa00000
[    9.786917] page:00000000ca75bc18 refcount:513 mapcount:0 mapping:00000000239064e1 index:0x1 \
pfn:0x100201
[    9.787200] head:00000000d4b5a6f7 order:9 compound_mapcount:0 compound_pincount:512
[    9.787454] aops:0xffffffc0085690c0 ino:0
[    9.787623] flags: 0x800000000011000(reserved|head|node=0|zone=2)
[    9.858718] raw: 0000000000000000 0000000000000000 00000000ffffffff 0000000000000000
[    9.858947] head: 0800000000411002 ffffff804017df00 0000000000000000 ffffff8040568150
[    9.789671] page dumped because: gup_test: dump_pages() test
[   10.146145] ---- page #600, starting from user virt addr: 0x7fb1e00000
[   10.149399] page:00000000878228c7 refcount:1025 mapcount:0 mapping:000000008142e83d index:0x258 \
pfn:0x20cc58
[   10.155334] aops:0xffffffc008546fc0 ino:c dentry name(?):"file"
[   10.156253] page dumped because: gup_test: dump_pages() test
"""
# After mm/debug.c of 7.2.
NEW = """\
[    3.1] ---- page #31, starting from user virt addr: 0x7fff80000000
[    3.1] page: refcount:34 mapcount:0 mapping:c000000006b1f8a8 index:0x1f pfn:0x1005f
[    3.1] head: order:5 mapcount:1 entire_mapcount:1 nr_pages_mapped:8388608 pincount:32
[    3.1] head: 007ffff000000001 c00c000000040180 0000000000000100 0000000000000000
"""
POISON = """\
[    9.470403] Injecting memory failure for pfn 0x100403 at process virtual address 0x1000203000
[    9.472946] Memory failure: 0x100403: Sending SIGBUS to daxprobe:95 due to hardware memory \
corruption
[    9.482285] Memory failure: 0x100403: Sending SIGBUS to daxprobe:96 due to hardware memory \
corruption
[    9.483868] Memory failure: 0x100403: recovery action for dax page: Recovered
"""


def test_pages_before_folios() -> None:
    assert parse_dump(OLD) == {
        1: DumpedPage(513, 0, 0x100201, 1, order=9, pincount=512),
        600: DumpedPage(1025, 0, 0x20CC58, 600),
    }


def test_folios_count_their_mappings_in_the_second_line() -> None:
    assert parse_dump(NEW) == {31: DumpedPage(34, 1, 0x1005F, 31, order=5, pincount=32)}


def test_a_negative_count_is_read_as_it_is() -> None:
    text = OLD.replace("refcount:1025", "refcount:-1")
    assert parse_dump(text)[600].refcount == -1


def test_other_dumps_are_not_taken_for_those_asked_for() -> None:
    stray = OLD.splitlines()[1] + "\n"
    assert parse_dump(stray) == {}


def test_who_was_told_of_poison_and_what_became_of_the_page() -> None:
    seen = parse_memory_failure(POISON)
    assert (seen.sigbus_messages, seen.recovery) == (2, "dax page: Recovered")
    failed = parse_memory_failure(POISON.replace("Recovered", "Failed"))
    assert failed.recovery == "dax page: Failed"
    assert parse_memory_failure("").recovery is None


def test_messages_about_poison_and_dumped_pages_are_no_reports_of_failure() -> None:
    reader = ConsoleReader()
    reader.feed((POISON + OLD + NEW).encode())
    reader.close()
    assert reader.reports == ()
