"""The kernel's messages about struct pages: how many were initialised, in which blocks."""

from __future__ import annotations

import re

from harness.observe.messages import whole_messages

_INITIALISED = re.compile(r"\bmemmap_init_zone_device initialised (\d+) pages in \d+ms")
_PAGE_ORDERS = re.compile(r"Page orders: linear mapping = (\d+), .*\bvmemmap = (\d+)")


def initialised_pages(messages: str) -> tuple[int, ...]:
    """Struct pages of each device, in the order in which they were initialised."""
    return tuple(int(found[1]) for found in _INITIALISED.finditer(messages))


def new_initialised_pages(messages: str) -> int:
    """Struct pages initialised in a step, by daxprobe's account of its messages.

    Raises InfrastructureError where some are gone: the log has wrapped.
    """
    return sum(initialised_pages(whole_messages(messages)))


def page_orders(messages: str) -> tuple[int, int] | None:
    """Bytes of the pages that hash maps memory and vmemmap by; None on any other MMU.

    Source: arch/powerpc/mm/book3s64/hash_utils.c, htab_init_page_sizes.
    """
    found = _PAGE_ORDERS.search(messages)
    return None if found is None else (1 << int(found[1]), 1 << int(found[2]))
