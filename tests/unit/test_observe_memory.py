"""What /proc/zoneinfo and the kernel's messages say of memory, as guests printed it."""

from __future__ import annotations

import pytest

from harness.errors import InfrastructureError
from harness.observe.memmap import initialised_pages, new_initialised_pages, page_orders
from harness.observe.messages import whole_messages
from harness.observe.zoneinfo import pages_taken, parse_free_pages

# Cut from a ppc64 guest of 6.1.192 with two nodes: all that matters, and what looks like it.
ZONEINFO = """\
Node 0, zone   Normal
  per-node stats
      nr_inactive_anon 40
  pages free     14210
        boost    0
        min      32
        present  16384
      nr_free_pages 14210
      nr_zone_inactive_anon 40
  pagesets
    cpu: 0
              count: 12
              high:  14
              batch: 1
    cpu: 1
              count: 3
              high:  14
              batch: 1
  node_unreclaimable:  0
Node 0, zone   Device
  pages free     0
Node 1, zone   Normal
  pages free     100
    cpu: 0
              count: 5
"""

MESSAGES = """\
[    0.000000] Page orders: linear mapping = 24, virtual = 16, io = 16, vmemmap = 24
[    4.1] memmap_init_zone_device initialised 32704 pages in 10ms
[    5.2] memmap_init_zone_device initialised 4096 pages in 0ms
"""


def test_what_cpus_keep_is_free_as_well() -> None:
    assert parse_free_pages(ZONEINFO) == {0: 14225, 1: 105}


def test_taken_is_told_by_node_and_negative_where_pages_came_back() -> None:
    later = ZONEINFO.replace("free     14210", "free     14000").replace("count: 5", "count: 9")
    assert pages_taken(ZONEINFO, later) == {0: 210, 1: -4}


def test_a_node_that_went_away_took_its_pages_along() -> None:
    assert pages_taken(ZONEINFO, ZONEINFO.partition("Node 1")[0])[1] == 105


def test_messages_about_struct_pages_are_read_with_any_stamp() -> None:
    assert initialised_pages(MESSAGES) == (32704, 4096)
    kmsg = "7,167,3139117,-;memmap_init_zone_device initialised 16128 pages in 8ms\n"
    assert new_initialised_pages(kmsg + kmsg) == 2 * 16128
    assert new_initialised_pages("") == 0


def test_a_log_that_lost_messages_proves_nothing() -> None:
    with pytest.raises(InfrastructureError, match="wrapped"):
        new_initialised_pages(f"lost=1\n{MESSAGES}")
    assert whole_messages(f"6,1,2,-;not lost=1\n{MESSAGES}").endswith(MESSAGES)


def test_page_orders_are_hash_alone() -> None:
    assert page_orders(MESSAGES) == (16 << 20, 16 << 20)
    assert page_orders("radix-mmu: Initializing Radix MMU") is None
