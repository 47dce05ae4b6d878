"""/proc/meminfo."""

from __future__ import annotations

from harness.observe.meminfo import direct_map_bytes

RADIX = """\
Hugepagesize:       2048 kB
DirectMap4k:           0 kB
DirectMap64k:        8192 kB
DirectMap2M:     2088960 kB
DirectMap1G:           0 kB
"""


def test_the_direct_map_is_the_sum_over_sizes() -> None:
    assert direct_map_bytes(RADIX) == (8192 + 2088960) << 10


def test_a_kernel_that_does_not_count_it() -> None:
    assert direct_map_bytes("MemTotal:        2014144 kB\n") is None
