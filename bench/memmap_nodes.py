#!/usr/bin/env python3
"""Struct pages of one device, and of four on four memory nodes that are probed at once.

    .venv/bin/python bench/memmap_nodes.py --arch x86_64 --kernel debian:6.1

Since the initialisation of struct pages was taken out of the lock of memory hotplug (2018),
devices on different nodes need not wait for each other at boot. Namespaces are made, the power
is cut, and the kernel's own messages of the next boot are read. Tells, over so many boots, how
long four devices took by the clock, against the sum of what each took, and against one device
alone. 0.25 and 1 would be four that do not hold each other up, 1 and 4 one after the other. The
guest has a CPU for each node; where the host has less, or emulates, that shows.
"""

from __future__ import annotations

import argparse
import re
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.campaign.provide import Provider
from harness.deadline import Deadline
from harness.guest.boot import Guest, boot
from harness.guest.steps import StepContext, check_regions
from harness.progress import Progress
from harness.records import Layout, PmemDevice
from harness.scenario.life_steps import PowerCycle
from harness.store import Store
from harness.target import Target, load_targets
from tests.support.guests import boot_request

MIB, GIB = 1 << 20, 1 << 30
DEVICE = GIB
NODES = 4
SECONDS = 300.0
_MESSAGE = re.compile(
    r"\[ *(\d+\.\d+)\] memmap_init_zone_device initialised (\d+) pages in (\d+)ms"
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--arch", default="x86_64", choices=numa_targets())
    parser.add_argument("--kernel", default="debian:6.1")
    parser.add_argument("--boots", type=int, default=3)
    options = parser.parse_args()
    target = load_targets()[options.arch]
    provider = Provider(Store.default(), options.kernel, Progress())
    alone = [boot_.sum for boot_ in measure(target, provider, 1, options.boots)]
    together = list(measure(target, provider, NODES, options.boots))
    one = statistics.median(alone)
    span = statistics.median(boot_.span for boot_ in together)
    share = statistics.median(boot_.span / boot_.sum for boot_ in together)
    print(f"{options.arch}, {options.boots} boots each, devices of {DEVICE // MIB} MiB")
    print(f"four by the clock / sum of each: {share:.2f}")
    print(f"four by the clock / one alone: {span / one:.2f}")
    return 0


def numa_targets() -> list[str]:
    return sorted(name for name, t in load_targets().items() if t.qemu.numa and t.pmem)


@dataclass(frozen=True)
class Boot:
    """Milliseconds: of each device added up, and from the first one's start to the last's end."""

    sum: float
    span: float

    @classmethod
    def read(cls, messages: str, devices: int) -> Boot:
        found = [(float(m[1]) * 1000, int(m[3])) for m in _MESSAGE.finditer(messages)]
        if len(found) != devices:
            raise SystemExit(f"{len(found)} devices were initialised, not {devices}")
        first = min(end - took for end, took in found)
        return cls(sum(took for _, took in found), max(end for end, _ in found) - first)


def measure(target: Target, provider: Provider, devices: int, boots: int) -> Iterator[Boot]:
    """So many boots of a guest with a namespace on each device."""
    with with_namespaces(target, provider, devices) as guest:
        for _ in range(boots):
            shell = guest.power_cycle(lambda *_: None)
            yield Boot.read(shell.run("dmesg", Deadline.after(SECONDS)).stdout, devices)


@contextmanager
def with_namespaces(target: Target, provider: Provider, devices: int) -> Iterator[Guest]:
    layout = Layout(
        NODES * GIB // 2, NODES, tuple(map(device, range(devices))), (GIB // 2,) * NODES
    )
    with tempfile.TemporaryDirectory(prefix="daxhound-bench-") as name:
        request = boot_request(
            provider,
            target,
            layout,
            Path(name),
            scale=SECONDS / 60,
            extra_arguments=PowerCycle().boot_arguments,
        )
        with boot(request) as guest:
            check_regions(guest.shell, StepContext(target, target.mmu.page_size, SECONDS))
            for region in range(devices):
                command = f"ndctl create-namespace -r region{region} -m fsdax -M mem"
                made = guest.shell.run(command, Deadline.after(SECONDS))
                if made.status != 0:
                    raise SystemExit(made.stderr)
            yield guest


def device(index: int) -> PmemDevice:
    uuid = f"00000000-0000-4000-8000-{index:012}"
    return PmemDevice(DEVICE, 4 * GIB + index * DEVICE, 128 << 10, uuid, index)


if __name__ == "__main__":
    raise SystemExit(main())
