"""A pool of hugetlb pages for one step, as shell text, and who gives it back."""

from __future__ import annotations

# Reserved by hand: before 7.x gup_test takes what is there, and huge pages may be missing
# only because memory is in pieces.
_RESERVE = """\
huge=; pool=; while read -r name value rest; do
    [ "$name" != Hugepagesize: ] || huge=$value
done </proc/meminfo
if [ -n "$huge" ]; then
    mark hugetlb
    echo huge_page_bytes=$((huge * 1024))
    pool=/sys/kernel/mm/hugepages/hugepages-${{huge}}kB/nr_hugepages
    want=$((({size} + huge * 1024 - 1) / (huge * 1024)))
    echo $want >$pool; read -r got <$pool
    [ $got -ge $want ] || {{
        [ ! -w /proc/sys/vm/compact_memory ] || echo 1 >/proc/sys/vm/compact_memory
        echo $want >$pool; read -r got <$pool
    }}
    [ $got -ge $want ] || lack "$want huge pages of $huge kB, only $got could be had"
fi
"""
RELEASE = '[ -z "$pool" ] || echo 0 >$pool'
"""To be run when the step is done."""


def reserve_huge_pages(size: int) -> str:
    """Shell text that reserves default huge pages for so many bytes, whose size it tells.

    The section ``hugetlb`` has ``huge_page_bytes``, and is missing where the guest has none.
    """
    return _RESERVE.format(size=size)
