"""What dump_page() prints of a page, from 6.1 to 7.2, on gup_test's request.

Source: mm/debug.c __dump_page (6.1), __dump_folio (6.12, 7.2); mm/gup_test.c
dump_pages_test.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

_ASKED = re.compile(r"---- page #(?P<index>\d+), starting from user virt addr: 0x[0-9a-f]+")
_PAGE = re.compile(
    r"\bpage: ?\S* ?refcount:(?P<refcount>-?\d+) mapcount:(?P<mapcount>-?\d+) .*"
    r"\bindex:(?P<index>(?:0x)?[0-9a-f]+) pfn:(?P<pfn>0x[0-9a-f]+)"
)
_HEAD = re.compile(
    r"\bhead: ?\S* ?order:(?P<order>\d+) "
    r"(?:(?:mapcount|compound_mapcount):(?P<mapcount>-?\d+) )"
    r".*?(?:compound_)?pincount:(?P<pincount>-?\d+)"
)


@dataclass(frozen=True, slots=True)
class DumpedPage:
    """One page: ``mapcount`` is its folio's, ``pincount`` None where there is no counter.

    ``index`` is its place in the device or file, in base pages.
    """

    refcount: int
    mapcount: int
    pfn: int
    index: int
    order: int = 0
    pincount: int | None = None


def parse_dump(text: str) -> dict[int, DumpedPage]:
    """Pages by their number in the mapping, as lines of dmesg tell; the last of each counts."""
    return dict(_pages(text))


def _pages(text: str) -> Iterator[tuple[int, DumpedPage]]:
    index: int | None = None
    page: DumpedPage | None = None
    for line in text.splitlines():
        if asked := _ASKED.search(line):
            index, page = int(asked["index"]), None
        elif index is None:
            continue
        elif found := _PAGE.search(line):
            page = DumpedPage(
                refcount=int(found["refcount"]),
                mapcount=int(found["mapcount"]),
                pfn=int(found["pfn"], 16),
                index=int(found["index"], 16),
            )
            yield index, page
        elif page is not None and (head := _HEAD.search(line)):
            page = replace(
                page,
                order=int(head["order"]),
                mapcount=int(head["mapcount"]),
                pincount=int(head["pincount"]),
            )
            yield index, page
