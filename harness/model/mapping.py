"""What ``fault`` and ``mmap`` must show: whether a mapping comes to be, and what it takes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from harness.errors import UserError
from harness.model.filesystem import Mounted
from harness.model.machine import Machine
from harness.model.namespace import Namespace
from harness.model.paging import (
    Range,
    blocks_touched,
    deposits_page_tables,
    page_table_bytes,
    vm_pte_growth,
)
from harness.model.rules import RULES
from harness.records import Expected, Rule
from harness.scenario.mapping_steps import Fault, MappingStep, Mmap
from harness.units import align_up, format_size

RSS_NOISE_PAGES = 64
"""Pages by which RssFile may lag (TASK_RSS_EVENTS_THRESH; percpu_counter_batch)."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What a step maps: a device, a file, or neither (anonymous memory)."""

    machine: Machine
    step: MappingStep
    devdax: Namespace | None
    files: Mounted | None

    @property
    def missing(self) -> bool:
        if self.step.memory == "devdax":
            return self.devdax is None or self.devdax.size_bytes == 0
        return self.step.memory == "fsdax" and self.files is None

    @property
    def direct(self) -> bool:
        """Whether entries map the device itself."""
        copied = self.step.sharing == "private" and self.step.access == "write"
        dax_file = self.files is not None and self.files.dax and not copied
        return self.devdax is not None if self.step.memory == "devdax" else dax_file

    @property
    def end(self) -> int | None:
        """Where touching ends in SIGBUS, in bytes of the mapping; None where it does not."""
        if self.devdax is not None and self.step.memory == "devdax":
            return max(0, self.devdax.size_bytes - self.step.offset)
        if self.files is not None and self.step.memory == "fsdax":
            return max(0, align_up(self.files.file_bytes, self.machine.page) - self.step.offset)
        return None

    @property
    def entries(self) -> Range:
        """The smallest and the largest entry that may map it."""
        page, pmd = self.machine.page, self.machine.pmd
        if self.devdax is not None and self.step.memory == "devdax":
            return Range(self.devdax.align, self.devdax.align)
        if not self.machine.has_huge_pages or self.step.advice == "nohuge":
            return Range(page, page)
        if self.step.memory == "anon":
            always = self.machine.kernel.has("TRANSPARENT_HUGEPAGE_ALWAYS")
            huge = always or self.step.advice == "huge"
            entry = pmd if huge else page
            return Range(page if self.step.size % pmd else entry, entry)
        return Range(page, pmd if self.direct else page)


def expect_fault(memory: Memory, step: Fault) -> tuple[Expected, ...]:
    """Values of a ``fault`` step. Raises UserError for one that makes no sense."""
    length = step.size - step.first if step.length is None else step.length
    if length <= 0 or step.first + length > step.size:
        raise UserError(
            f"the mapping has {format_size(step.size)}, touching ends behind it",
            field="length" if step.length is not None else "first",
            hint="first + length within size",
        )
    refused = _refused(memory, fixed=step.fixed)
    if refused:
        return refused
    stop = _stopped(memory, step, length)
    touched = length if stop is None else stop.touched
    rule = RULES["fault.touched"] if stop is None else stop.rule
    values = [
        Expected("outcome", "touched" if stop is None else "signalled", rule),
        *(() if stop is None else stop.expected(step.first)),
        Expected("touched_bytes", touched, rule),
    ]
    if not memory.direct and step.memory == "fsdax" and not _copies(memory):
        return tuple(values)
    faults = _faults(memory, step.first, touched)
    values += _between("faults", faults, _fault_rule(memory), _about_entries(memory))
    if faults.least == faults.most and faults.most and touched % faults.most == 0:
        entry = touched // faults.most
        values.append(Expected("entry_bytes", entry, _fault_rule(memory)))
    if step.fixed:
        handled = stop is not None and stop.signal == "SIGBUS"
        values += _expect_tables(memory, step.first, touched, stopped=handled)
    values.append(Expected("page_table_bytes_left", 0, RULES["mmap.nothing-left"]))
    return tuple(values)


@dataclass(frozen=True, slots=True)
class _Stop:
    """An access that ends in a signal, after so many bytes."""

    touched: int
    signal: str
    code: str
    rule: Rule

    def expected(self, first: int) -> tuple[Expected, ...]:
        return (
            Expected("signal", self.signal, self.rule),
            Expected("code", self.code, self.rule),
            Expected("fault_offset", first + self.touched, RULES["fault.address"]),
        )


def _stopped(memory: Memory, step: MappingStep, length: int) -> _Stop | None:
    first = step.first if isinstance(step, Fault) else 0
    if isinstance(step, Fault) and step.access == "write" and not step.writable:
        return _Stop(0, "SIGSEGV", "SEGV_ACCERR", RULES["fault.read-only"])
    device = memory.devdax if step.memory == "devdax" else None
    if device is not None and step.advice == "nohuge" and device.align > memory.machine.page:
        return _Stop(0, "SIGBUS", "BUS_ADRERR", RULES["devdax.nohuge"])
    end = memory.end
    if end is None or first + length <= end:
        return None
    rule = RULES["devdax.past-end" if device is not None else "file.past-end"]
    return _Stop(max(0, end - first), "SIGBUS", "BUS_ADRERR", rule)


def _refused(memory: Memory, *, fixed: bool) -> tuple[Expected, ...]:
    """How the step ends where there is no mapping; nothing where there is one."""
    step, device = memory.step, memory.devdax
    if memory.missing:
        return (Expected("outcome", "no-device", RULES["gup.no-device"]),)
    if step.offset % memory.machine.page:
        why = f"{step.offset:#x} is not a multiple of {memory.machine.page:#x}"
        return _no_mapping("EINVAL", RULES["mmap.offset"], why)
    if step.memory == "fsdax" and step.sharing == "sync" and not memory.direct:
        return _no_mapping("EOPNOTSUPP", RULES["mmap.sync"], "the file is not mapped directly")
    if step.memory != "devdax" or device is None:
        return ()
    if step.sharing == "private":
        return _no_mapping("EINVAL", RULES["devdax.private"], "MAP_PRIVATE")
    if step.size % device.align:
        why = f"{step.size:#x} is not a multiple of {device.align:#x}"
        return _no_mapping("EINVAL", RULES["devdax.unaligned"], why)
    if step.offset % device.align == 0:
        return ()
    if fixed:
        raise UserError(
            f"at a fixed address the kernel does not look at the offset, which is no multiple"
            f" of {format_size(device.align)}",
            field="offset",
            hint="fixed: false, or another offset",
        )
    why = f"the kernel's address is {step.offset:#x} off {device.align:#x}, as the offset is"
    return _no_mapping("EINVAL", RULES["devdax.unaligned"], why)


def _no_mapping(errno: str, rule: Rule, why: str) -> tuple[Expected, ...]:
    return (
        Expected("outcome", "refused", rule, because=why),
        Expected("errno", errno, rule, because=why),
    )


def expect_mmap(memory: Memory, step: Mmap) -> tuple[Expected, ...]:
    """Values of a ``mmap`` step. Raises UserError for one that makes no sense."""
    if step.end == "truncate" and step.memory != "fsdax":
        raise UserError(
            f"{step.memory} memory has no file to truncate", field="end", hint="munmap or exit"
        )
    refused = _refused(memory, fixed=True)
    if refused:
        return refused
    stop = _stopped(memory, step, step.size)
    if stop is not None:
        values = (Expected("outcome", "signalled", stop.rule), *stop.expected(0)[:2])
        return (*values, *_expect_nothing_left(step))
    values = (Expected("outcome", "touched", RULES["fault.touched"]),)
    return (*values, *_expect_life(memory, step), *_expect_nothing_left(step))


def _expect_life(memory: Memory, step: Mmap) -> Iterator[Expected]:
    if step.end == "truncate":
        yield Expected("truncated_signal", "SIGBUS", RULES["file.past-end"])
    if not memory.direct and step.memory == "fsdax" and not _copies(memory):
        return
    faults = _faults(memory, 0, step.size).times(step.repeats)
    why = f"{_about_entries(memory)}, {step.repeats} times"
    yield from _between("faults", faults, _fault_rule(memory), why)
    if step.fork:
        yield from _between("child_faults", faults, RULES["mmap.fork"], why)
    yield from _expect_tables(memory, 0, step.size)
    yield from _expect_counters(memory, step)


def _expect_counters(memory: Memory, step: Mmap) -> Iterator[Expected]:
    page, pmd = memory.machine.page, memory.machine.pmd
    counted = memory.direct and memory.machine.dax_counts_folios
    rule = RULES["dax.rss" if counted else "dax.no-rss"]
    pages = step.size // page if counted else 0
    truncated = step.end == "truncate" and step.repeats > 1
    sparse = truncated or (memory.files is not None and memory.files.sparse)
    holes = step.memory == "fsdax" and sparse and step.access == "read"
    least = 0 if holes else pages
    noise = RSS_NOISE_PAGES
    rss = Range((least - noise) * page, (pages + noise) * page)
    yield from _between("rss_file_bytes", rss, rule, f"{pages} pages, {noise} more or less")
    yield from _between("nr_mapped", Range(least, pages), rule, f"{pages} pages")
    entries = memory.entries
    huge = step.size // pmd if counted and entries.most == pmd else 0
    certain = huge if entries.least == pmd and not holes else 0
    yield from _between("pmd_mapped", Range(certain, huge), rule, "in PMD entries")


def _expect_nothing_left(step: Mmap) -> Iterator[Expected]:
    rule = RULES["mmap.nothing-left"]
    if step.end != "exit":
        yield Expected("page_table_bytes_left", 0, rule)
    for name in ("nr_mapped_left", "pmd_mapped_left", "page_table_pages_left"):
        yield Expected(name, 0, rule)


def _copies(memory: Memory) -> bool:
    """Whether every page of a file is copied when touched, since it is private and written."""
    step = memory.step
    return step.memory == "fsdax" and step.sharing == "private" and step.access == "write"


def _faults(memory: Memory, first: int, length: int) -> Range:
    """Faults for touching a range once: one for each entry that maps a part of it, or two."""
    entries = memory.entries
    fewest = blocks_touched(first, length, entries.most)
    faults = Range(fewest, blocks_touched(first, length, entries.least))
    return faults.times(2) if _is_clean_first(memory) else faults


def _fault_rule(memory: Memory) -> Rule:
    return RULES["fault.clean-entry" if _is_clean_first(memory) else "fault.entry"]


def _is_clean_first(memory: Memory) -> bool:
    """Whether a write finds a clean entry and faults again to make it dirty."""
    machine, step = memory.machine, memory.step
    base_pages = memory.devdax is not None and memory.devdax.align == machine.page
    writes = step.memory == "devdax" and step.access == "write" and base_pages
    return writes and machine.mmu == "arm64" and not machine.dax_counts_folios


def _expect_tables(
    memory: Memory, first: int, length: int, *, stopped: bool = False
) -> Iterator[Expected]:
    machine, entries = memory.machine, memory.entries
    sizes = [
        vm_pte_growth(
            page_table_bytes(
                first=first,
                length=length,
                stopped=stopped,
                entry=entry,
                page=machine.page,
                pmd=machine.pmd,
                pud=machine.pud,
                deposits=deposits_page_tables(machine, memory.step.memory),
            )
        )
        for entry in (entries.most, entries.least)
    ]
    least, most = min(s.least for s in sizes), max(s.most for s in sizes)
    why = f"{length:#x} touched; {_about_entries(memory)}"
    yield from _between("page_table_bytes", Range(least, most), RULES["mmap.page-tables"], why)


def _about_entries(memory: Memory) -> str:
    entries = memory.entries
    if entries.least == entries.most:
        return f"entries of {format_size(entries.most)}"
    return f"entries of {format_size(entries.least)} to {format_size(entries.most)}"


def _between(name: str, bounds: Range, rule: Rule, why: str) -> tuple[Expected, ...]:
    if bounds.least == bounds.most:
        return (Expected(name, bounds.least, rule, because=why),)
    return (
        Expected(name, bounds.least, rule, ">=", why),
        Expected(name, bounds.most, rule, "<=", why),
    )
