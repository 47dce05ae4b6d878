"""What struct pages of a namespace cost, and how that shows in the guest's counters.

What else goes on in a guest while ndctl runs moves free memory, too. In 2,100 values of two
runs of all targets it was up to 81 pages, but for one: 142 of 4K, for the first namespace of
a guest. After such a first one an idle x86_64 guest of 7.2 had up to 159 pages less from one
reading to the next, for some tenths of a second.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from harness.model.altmap import Altmap
from harness.model.geometry import Span
from harness.model.machine import MIB, Machine
from harness.model.memmap import counted_pages, expect_initialised
from harness.model.numa import nearest_node
from harness.model.rules import RULES
from harness.model.soft_reserved import ram_of_nodes
from harness.model.state import Block, Namespace
from harness.model.vmemmap_ram import Taken, ram_taken
from harness.records import Expected, PmemDevice
from harness.units import align_down, align_up, format_size

SLACK_PAGES = 128
"""Pages by which free memory may move besides."""

TRANSIENT_BYTES = 512 << 10
"""What a step that makes or drops a device may take more, until RCU has freed it."""

OWN_BYTES = 128 * MIB
"""RAM that a guest needs for itself: 70 to 100 MiB were taken in guests of 512 MiB to 4 GiB."""

_SECTION_BYTES = 128
"""At most for each section: struct mem_section and its usage map (mm/sparse.c)."""

MESSAGE_NEEDS = "DYNAMIC_DEBUG"


@dataclass(frozen=True, slots=True)
class Cost:
    """Struct pages of one namespace: the memory they stand for, and the memory they take."""

    span: Span | None
    altmap: Altmap | None
    taken: Taken
    counted_pages: int
    counted_because: str
    raw_bytes: int

    @property
    def blocks(self) -> tuple[Block, ...]:
        return self.taken.blocks

    def overhead_bytes(self, machine: Machine) -> int:
        """Beside the struct pages, at most: sections' records, and the page tables of vmemmap.

        Those are one page for each PMD, where base pages fill it.
        """
        if self.span is None:
            return 0
        reach = machine.pmd // machine.kernel.struct_page_bytes * machine.page
        tables = (self.span.size // reach + 2) * min(machine.page, MIB)
        return tables + (self.span.size // machine.section + 2) * _SECTION_BYTES

    def why_impossible(self, machine: Machine, beside: int) -> str | None:
        """Why the namespace cannot be, as far as struct pages go; others' take ``beside``."""
        if self.taken.ram_bytes <= room_for_struct_pages(machine, beside):
            return None
        ram, own = format_size(sum(ram_of_nodes(machine).values())), format_size(OWN_BYTES)
        others = f" beside {beside:#x} of others" if beside else ""
        why = f"struct pages would take {self.taken.ram_bytes:#x} bytes of RAM{others}"
        return f"{why}, the guest has {ram}, {own} of it for itself ({RULES['vmemmap.ram'].id})"


def room_for_struct_pages(machine: Machine, beside: int) -> int:
    """RAM that they may take, where others take ``beside``."""
    return sum(ram_of_nodes(machine).values()) - OWN_BYTES - beside


def cost_of(machine: Machine, namespace: Namespace, others: Sequence[Span]) -> Cost:
    """What a namespace costs beside ``others``, which have struct pages already."""
    span = namespace.mapped
    if span is None or namespace.info is None:
        nothing = Taken(
            (), RULES["memmap.none"], f"{namespace.mode} of {namespace.size_bytes:#x} has none"
        )
        return Cost(None, None, nothing, 0, nothing.because, namespace.raw_bytes)
    altmap = None
    if namespace.map == "dev":
        altmap = Altmap.of(span, namespace.info, machine.page)
    compound = namespace.compound or machine.page
    return cost_of_span(machine, span, compound, altmap, others)


def cost_of_span(
    machine: Machine,
    span: Span,
    compound: int,
    altmap: Altmap | None = None,
    others: Sequence[Span] = (),
) -> Cost:
    """What ``span`` costs in compounds of ``compound`` bytes, beside ``others``."""
    taken = _and_linear_map(machine, span, ram_taken(machine, span, compound, altmap, others))
    counted, why = counted_pages(machine, span, compound, altmap)
    return Cost(span, altmap, taken, counted, why, span.size)


def _and_linear_map(machine: Machine, span: Span, taken: Taken) -> Taken:
    """With page tables of the last level, where the memory itself is mapped by base pages."""
    if taken.exhausted or not machine.linear_map_of_pages:
        return taken
    size = align_up(span.end, machine.pmd) - align_down(span.start, machine.pmd)
    tables = size // machine.pmd * machine.page
    because = f"{taken.because}; {tables:#x} of page tables: the linear map has base pages"
    return replace(taken, blocks=(*taken.blocks, Block(span, tables)), because=because)


def expect_cost(machine: Machine, device: PmemDevice, cost: Cost) -> tuple[Expected, ...]:
    """How the cost of a new namespace shows."""
    expected = []
    if machine.kernel.has(MESSAGE_NEEDS):
        expected.append(expect_initialised(machine, cost.span, cost.altmap))
    taken = cost.taken
    low, high = taken.ram_bytes, taken.ram_bytes + cost.overhead_bytes(machine)
    if cost.span is None:
        high += raw_tables(machine, cost.raw_bytes)
    expected += expect_ram(machine, "ram_bytes", low, high, taken)
    node = nearest_node(machine, device)
    several = len(machine.layout.nodes) > 1
    if several and taken.ram_bytes <= ram_of_nodes(machine)[node] - OWN_BYTES:
        expected += expect_ram(machine, f"node{node}.ram_bytes", low, high, taken)
    return (*expected, *expect_counted(machine, cost.counted_pages, cost.counted_because))


def expect_returned(
    machine: Machine, ram_bytes: int, namespaces: Sequence[Namespace]
) -> tuple[Expected, ...]:
    """How memory that comes back shows, ``ram_bytes`` of it struct pages, when namespaces go."""
    tables = raw_tables(machine, sum(namespace.raw_bytes for namespace in namespaces))
    overhead = sum(namespace.overhead_bytes for namespace in namespaces)
    counted = sum(namespace.counted_pages for namespace in namespaces)
    why = f"{ram_bytes:#x} bytes held nothing else; up to {tables:#x} to map what is wiped"
    returned = Taken((), RULES["vmemmap.returned"], why)
    return (
        *expect_ram(machine, "ram_bytes", -ram_bytes - overhead, tables - ram_bytes, returned),
        *expect_counted(machine, -counted, "all that was counted"),
    )


def expect_nothing_kept(machine: Machine, times: int) -> tuple[Expected, ...]:
    """How memory shows that was taken and given back so often."""
    why = f"taken and given back {times} times"
    nothing = Taken((), RULES["ns.churn"], why)
    expected = [*expect_ram(machine, "ram_bytes", 0, 0, nothing, transient_bytes=0)]
    if len(machine.layout.nodes) > 1 and machine.reads_nodes:
        for node in ram_of_nodes(machine):
            name = f"node{node}.ram_bytes"
            expected += expect_ram(machine, name, 0, 0, nothing, transient_bytes=0)
    if machine.reports_direct_map:
        expected.append(Expected("direct_map_bytes", 0, RULES["ns.direct-map"], because=why))
    return (*expected, *expect_counted(machine, 0, why))


def expect_ram(
    machine: Machine,
    name: str,
    low: int,
    high: int,
    taken: Taken,
    transient_bytes: int = TRANSIENT_BYTES,
) -> tuple[Expected, Expected]:
    """RAM that goes, between the two; negative where it comes back."""
    slack = SLACK_PAGES * machine.page
    more = slack + transient_bytes
    why = f"{taken.because}; {low:#x}, and up to {more:#x} for what else goes on"
    return (
        Expected(name, low - slack, taken.rule, ">=", why),
        Expected(name, high + more, taken.rule, "<=", why),
    )


def raw_tables(machine: Machine, raw_bytes: int) -> int:
    """Page tables at most for mapping raw namespaces, which are kept for the next time.

    Elsewhere memremap() maps by huge pages; hash has 16 bytes for each page
    (arch/powerpc/mm/ioremap.c, do_ioremap; drivers/nvdimm/pmem.c, pmem_attach_disk).
    """
    return raw_bytes // machine.page * 16 if machine.mmu == "hash" else 0


def expect_counted(machine: Machine, pages: int, why: str) -> tuple[Expected, ...]:
    """What the kernel's own counter of struct pages goes up by, where there is one."""
    if not machine.memmap_is_counted:
        return ()
    return (Expected("memmap_counted_pages", pages, RULES["vmemmap.counter"], because=why),)
