"""Steps drawn at random: namespaces of every kind, and what is done with them.

What is drawn need not make sense after the steps before it: ``legal.py`` looks after that.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from harness.target import Target

MIB, GIB = 1 << 20, 1 << 30
UNIT = 16 * MIB

Words: TypeAlias = dict[str, Any]

_SECTORS = (512, 520, 528, 4096, 4104, 4160, 4224)
_COMMANDS = ("get-fast", "get", "pin-fast", "pin", "longterm")
_ROUNDS = 3


def random_steps(rng: random.Random, target: Target, pmem: list[Words]) -> Iterator[Words]:
    """Rounds of namespaces in one or two regions, all taken away again, in any order."""
    sizes = [device["size"] for device in sorted(pmem, key=lambda device: int(device["at"]))]
    for _ in range(_ROUNDS):
        regions = rng.sample(range(len(sizes)), rng.randint(1, min(2, len(sizes))))
        for _ in range(rng.randint(1, 4)):
            region = rng.choice(regions)
            fields = _namespace(rng, target, sizes[region])
            if rng.random() < 0.05:
                yield {"churn": {"region": region, **fields, "times": 3}}
            yield {"create-namespace": {"region": region, **fields}}
            if rng.random() < 0.6:
                yield from _use(rng, target, region, fields)
        for region in rng.sample(regions, len(regions)):
            yield {"destroy-namespaces": {"region": region}}


def _namespace(rng: random.Random, target: Target, region_bytes: int) -> Words:
    mode = rng.choice(("devdax", "devdax", "devdax", "fsdax", "fsdax", "raw", "sector"))
    fields: Words = {"mode": mode}
    if mode in ("devdax", "fsdax"):
        # With map=dev most sizes are a known defect on arm64: such cells show nothing more.
        few = target.mmu.kind == "arm64"
        fields["map"] = rng.choice(("mem", "mem", "mem", "dev") if few else ("mem", "dev"))
        if rng.random() < 0.8:
            fields["align"] = _align(rng, target)
    if mode == "sector":
        fields["sector_size"] = rng.choice(_SECTORS)
    elif rng.random() < 0.1:
        fields["sector_size"] = rng.choice((512, 4096, 4096, 4160))
    if rng.random() < 0.75:
        fields["size"] = _size(rng, region_bytes, fields.get("align", UNIT))
    return fields


def _align(rng: random.Random, target: Target) -> int:
    mmu = target.mmu
    if rng.random() < 0.04:
        return rng.choice((8 * MIB, 512 << 10, 3 * MIB, 1 << 10))
    return rng.choice((mmu.page_size, mmu.pmd_size, mmu.pmd_size, mmu.pud_size))


def _size(rng: random.Random, region_bytes: int, align: int) -> int:
    unit = max(UNIT, align if rng.random() < 0.8 else UNIT)
    most = max(1, region_bytes // unit)
    size = unit * rng.randint(1, rng.choice((most, max(1, most // 4), min(most, 9))))
    return size + (MIB if rng.random() < 0.04 else 0)


def _use(rng: random.Random, target: Target, region: int, fields: Words) -> Iterator[Words]:
    if fields["mode"] == "devdax":
        align = fields.get("align", target.mmu.pmd_size)
        size = max(align, MIB) * rng.choice((1, 1, 2, 3, 8, 40))
        if size <= 2 * GIB:
            yield from rng.choice(_DEVDAX)(rng, target, region, size)
        return
    yield {"write-read": {"region": region, "size": MIB * rng.randint(1, 32)}}
    if rng.random() < 0.5:
        system = rng.choice(("ext4", "ext4", "xfs"))
        size = MIB * rng.randint(1, 48)
        yield {"filesystem": {"region": region, "type": system, "file_size": size}}
        yield {"gup-test": _gup(rng, region, "fsdax", MIB * rng.randint(1, size // MIB))}


def _gup(rng: random.Random, region: int, memory: str, size: int) -> Words:
    return {
        "region": region,
        "memory": memory,
        "command": rng.choice(_COMMANDS),
        "size": size + (MIB if rng.random() < 0.05 else 0),
        "pages_per_call": rng.choice((1, 7, 512, 1 << 20)),
        "write": rng.random() < 0.8,
        "shared": rng.random() < 0.95,
        "huge": rng.random() < 0.95,
        "touch": rng.random() < 0.85,
        "repeats": rng.choice((1, 1, 2)),
    }


def _pinned(rng: random.Random, _target: Target, region: int, size: int) -> Iterator[Words]:
    yield {"gup-test": _gup(rng, region, "devdax", size)}


def _mapped(rng: random.Random, target: Target, region: int, size: int) -> Iterator[Words]:
    page = target.mmu.page_size
    first = page * rng.randrange(size // page)
    length = min(size - first, page * rng.randint(1, 4096))
    shared: Words = {"region": region, "memory": "devdax", "size": size}
    shared["access"] = rng.choice(("read", "write"))
    shared["sharing"] = rng.choice(("shared", "shared", "sync"))
    yield {"fault": {**shared, "first": first, "length": length}}
    if size <= 128 * MIB:
        ways = {name: rng.random() < 0.5 for name in ("lock", "move", "fork")}
        yield {"mmap": {**shared, **ways}}


def _inspected(rng: random.Random, target: Target, region: int, size: int) -> Iterator[Words]:
    last = size // target.mmu.page_size - 1
    pages = sorted({0, last, rng.randint(0, last), rng.randint(0, last)})
    pin = rng.random() < 0.5
    words = {"region": region, "memory": "devdax", "size": size, "pages": pages, "pin": pin}
    yield {"page-metadata": words}


def _poisoned(rng: random.Random, target: Target, region: int, size: int) -> Iterator[Words]:
    via, early = rng.choice(("madvise", "corrupt-pfn")), rng.random() < 0.5
    yield {
        "hwpoison": {
            "region": region,
            "size": size,
            "offset": target.mmu.page_size * rng.randrange(size // target.mmu.page_size),
            "via": via,
            "early": early,
        }
    }


def _as_ram(_rng: random.Random, _target: Target, region: int, _size: int) -> Iterator[Words]:
    yield {"reconfigure-device": {"region": region, "mode": "system-ram"}}
    yield {"gup-test": {"command": "pin-fast", "memory": "anon", "size": 8 * MIB}}
    yield {"reconfigure-device": {"region": region, "mode": "devdax"}}


_Use: TypeAlias = Callable[[random.Random, Target, int, int], Iterator[Words]]
_DEVDAX: tuple[_Use, ...] = (_pinned, _pinned, _pinned, _mapped, _inspected, _poisoned, _as_ram)
