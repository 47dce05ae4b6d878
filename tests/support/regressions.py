"""The patches of ``series/``, by name and kernel."""

from __future__ import annotations

from pathlib import Path

SERIES = Path(__file__).resolve().parents[2] / "series"

CAUGHT_BY = {
    "altmap-reserve": ("devdax-map-dev", "x86_64"),
    "anon-thp-count": ("fault-anon", "x86_64"),
    "arm64-altmap-ptes": ("devdax-sizes", "arm64"),
    "arm64-vmemmap-pmd": ("gup-devdax", "arm64"),
    "btt-log-order": ("power-cut-sector-log", "ppc64-radix"),
    "collapse-drain": ("fault-anon", "x86_64"),
    "dax-nohuge": ("fault-devdax", "x86_64"),
    "dax-wake-up": ("dax-file-taken-away", "x86_64"),
    "devdax-address": ("fault-devdax", "x86_64"),
    "devdax-shared": ("fault-devdax", "ppc64-radix"),
    "devmap-mprotect": ("mapped-data-devdax", "x86_64"),
    "direct-map-count": ("churn", "ppc64-radix"),
    "disk-read-only": ("region-read-only", "x86_64"),
    "ext4-stale-block": ("mapped-data-fsdax", "x86_64"),
    "fault-index": ("hwpoison-devdax", "ppc64-radix"),
    "fault-ref-leak": ("page-metadata", "ppc64-hash"),
    "fault-ref-underflow": ("page-metadata", "ppc64-radix"),
    "follow-first-page": ("page-metadata", "ppc64-radix"),
    "fork-poison": ("hwpoison-anon", "x86_64"),
    "fsdax-zero": ("mapped-data-fsdax", "ppc64-radix"),
    "gup-stat": ("gup-anon", "ppc64-radix"),
    "hash-altmap-free": ("model-sweep", "ppc64-hash"),
    "hash-vmemmap": ("devdax-above-16g", "ppc64-hash"),
    "hmem-align": ("dax-resize", "x86_64"),
    "hole-past-eof": ("mapped-data-fsdax", "x86_64"),
    "hole-stale": ("mapped-data-fsdax", "ppc64-radix"),
    "arm64-max-pfn": ("kmem", "arm64"),
    "dax-last-entry": ("mapped-data-devdax", "ppc64-radix"),
    "hole-tail": ("mapped-data-fsdax", "x86_64"),
    "hole-unaligned": ("mapped-data-fsdax", "x86_64"),
    "papr-cookie": ("two-devices", "ppc64-hash"),
    "poison-policy": ("hwpoison-anon", "x86_64"),
    "hwpoison-lsb": ("hwpoison-devdax", "ppc64-hash"),
    "info-block-reserve": ("devdax-map-dev", "ppc64-radix"),
    "insert-zero-rss": ("mapped-data-fsdax", "ppc64-radix"),
    "kmem-last-block": ("kmem", "x86_64"),
    "kmem-node": ("kmem-node-without-ram", "ppc64-radix"),
    "kmem-online-type": ("kmem-state", "ppc64-radix"),
    "kmem-resource": ("kmem", "ppc64-radix"),
    "label-destroyed": ("power-cut-destroyed", "ppc64-radix"),
    "label-index-copy": ("power-cut-destroyed", "ppc64-radix"),
    "label-sector-size": ("power-cut-block", "x86_64"),
    "longterm-huge": ("mapped-data-huge", "ppc64-radix"),
    "longterm-pte": ("fsdax-file", "x86_64"),
    "memmap-init-short": ("devdax-map-dev", "ppc64-radix"),
    "memmap-init-twice": ("devdax-map-mem", "ppc64-radix"),
    "mf-shift": ("hwpoison-devdax", "ppc64-radix"),
    "mprotect-charge": ("fault-anon", "x86_64"),
    "mprotect-copy": ("fault-anon", "x86_64"),
    "mremap-deposit": ("mapping-life-devdax", "ppc64-hash"),
    "mremap-flush": ("fault-anon", "x86_64"),
    "mremap-locked": ("fault-anon", "x86_64"),
    "nfit-target-node": ("kmem-node-without-ram", "x86_64"),
    "no-compound": ("page-metadata", "ppc64-radix"),
    "node-memory-state": ("kmem-node-shared", "x86_64"),
    "node-normal-memory": ("kmem-node-kernel", "x86_64"),
    "offline-poison": ("kmem-poison", "x86_64"),
    "pfn-align": ("devdax-map-mem", "x86_64"),
    "pfn-dataoff": ("devdax-sizes", "ppc64-radix"),
    "pgtable-double-free": ("devdax-map-mem", "ppc64-hash"),
    "pgtable-leak": ("devdax-access", "ppc64-hash"),
    "pmd-align": ("devdax-default-align", "ppc64-hash"),
    "pmd-eof-page": ("fault-fsdax-end", "x86_64"),
    "pmd-frag-leak": ("mapping-life-devdax", "ppc64-radix"),
    "pmd-past-eof": ("fault-fsdax-end", "x86_64"),
    "poison-reference": ("hwpoison-devdax", "x86_64"),
    "poison-rss": ("hwpoison-shmem", "x86_64"),
    "poison-unseen": ("hwpoison-devdax", "ppc64-radix"),
    "radix-unused": ("two-devices", "ppc64-radix"),
    "region-dax-seed": ("devdax-neighbours", "ppc64-radix"),
    "resize-busy": ("dax-ram-busy", "x86_64"),
    "s390-level-count": ("fault-anon", "s390x"),
    "thp-split-file": ("mapped-data-huge", "ppc64-radix"),
    "unbind-mapped": ("devdax-disabled-in-use", "ppc64-radix"),
    "unpin-leak": ("devdax-map-mem", "ppc64-hash"),
    "vmemmap-count": ("devdax-map-mem", "ppc64-radix"),
    "vmemmap-shift": ("devdax-odd-end", "ppc64-radix"),
    "vmemmap-tails-head": ("page-metadata", "x86_64"),
    "x86-altmap-base": ("devdax-whole", "x86_64"),
    "x86-altmap-order": ("devdax-map-dev", "x86_64"),
    "x86-direct-map": ("churn", "x86_64"),
    "x86-sigbus-lsb": ("hwpoison-anon", "x86_64"),
    "xfs-store-time": ("mapped-data-fsdax", "x86_64"),
}
"""A shipped scenario and a target that show each regression, of those in docs/regressions.md."""

_GONE_FROM = {
    "devmap-mprotect": (7, 2),  # whose ptes have no bit for devices
    "poison-unseen": (6, 12),  # whose MADV_HWPOISON says that action is required
}
"""Branches that can have a regression no more, and all newer ones."""

_OF_ONE_BRANCH = ("6.1",)
"""Folders whose patches are for that branch alone: nobody wrote them for newer ones."""


def regressions(branch: tuple[int, int] | None = None) -> tuple[str, ...]:
    """The names of those that a kernel of ``branch`` can have; without, of all."""
    names = {p.stem for folder in _folders(branch) for p in folder.glob("*.patch")}
    return tuple(sorted(name for name in names if not _is_gone(name, branch)))


def regression_patch(name: str, branch: tuple[int, int] = (6, 1)) -> Path:
    """The patch for a kernel of ``branch``: of the newest folder that is not newer than it.

    Raises FileNotFoundError for a regression that such a kernel cannot have, or that nobody
    wrote for it.
    """
    for folder in _folders(branch):
        path = folder / f"{name}.patch"
        if path.is_file() and not _is_gone(name, branch):
            return path
    raise FileNotFoundError(f"no regression {name!r} in {SERIES} for {branch[0]}.{branch[1]}")


def _is_gone(name: str, branch: tuple[int, int] | None) -> bool:
    return branch is not None and name in _GONE_FROM and branch >= _GONE_FROM[name]


def _folders(branch: tuple[int, int] | None) -> tuple[Path, ...]:
    """Where its patches are, the nearest to it first."""
    versions = [path for path in SERIES.iterdir() if path.is_dir()]
    chosen = [path for path in versions if branch is None or _is_for(path, branch)]
    return (*sorted(chosen, key=_branch, reverse=True), SERIES)


def _is_for(folder: Path, branch: tuple[int, int]) -> bool:
    if folder.name in _OF_ONE_BRANCH:
        return _branch(folder) == branch
    return _branch(folder) <= branch


def _branch(folder: Path) -> tuple[int, int]:
    major, minor = folder.name.split(".")
    return int(major), int(minor)
