"""What ``fault`` and ``mmap`` must show: whether a mapping comes to be, and what it takes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from harness.errors import UserError
from harness.model import complaints
from harness.model.defects import fails_on_empty_pud
from harness.model.machine import Machine
from harness.model.memory import (
    Memory,
    about_entries,
    between,
    copies_pages,
    expect_tables,
    faults_of,
    rule_of_faults,
)
from harness.model.paging import BESIDE_BYTES, Range
from harness.model.rules import RULES
from harness.records import Expected, Rule
from harness.scenario.mapping_steps import Fault, MappingStep, Mmap
from harness.units import format_size

KERNEL_TABLES = 2
"""Page tables that the kernel may make for itself meanwhile; a leak grows by each repeat."""

RSS_NOISE_PAGES = 64
"""Pages by which RssFile may lag (TASK_RSS_EVENTS_THRESH; percpu_counter_batch)."""


def expect_fault(memory: Memory, step: Fault) -> tuple[Expected, ...]:
    """Values of a ``fault`` step. Raises UserError for one that makes no sense."""
    length = step.size - step.first if step.length is None else step.length
    if length <= 0 or step.first + length > step.size:
        raise UserError(
            f"the mapping has {format_size(step.size)}, touching ends behind it",
            field="length" if step.length is not None else "first",
            hint="first + length within size",
        )
    _check_beside(step)
    if step.high and (step.beside or not step.fixed):
        raise UserError(
            "high is an address of its own, with nothing beside it",
            field="high",
            hint="neither beside nor fixed: false",
        )
    stop = _stopped(memory, step, length)
    early = _refused(memory, fixed=step.fixed) or _complaint(memory, stop)
    if early:
        return early
    touched = length if stop is None else stop.touched
    rule = RULES["fault.touched"] if stop is None else stop.rule
    values = [
        Expected("outcome", "touched" if stop is None else "signalled", rule),
        *(() if stop is None else stop.expected(step.first)),
        Expected("touched_bytes", touched, rule),
    ]
    if not step.fixed:
        values.append(Expected("overlaps", False, RULES["mmap.free-address"]))
    if not memory.direct and step.memory == "fsdax" and not copies_pages(memory):
        return tuple(values)
    faults = faults_of(memory, step.first, touched)
    values += between("faults", faults, rule_of_faults(memory), about_entries(memory))
    if faults.least == faults.most and faults.most and touched % faults.most == 0:
        entry = touched // faults.most
        values.append(Expected("bytes_per_fault", entry, rule_of_faults(memory)))
    if step.fixed and not step.high:
        handled = stop is not None and stop.signal == "SIGBUS" and not stop.rule.defect
        values += expect_tables(memory, step.first, touched, stopped=handled)
    # What a process has of upper tables, it keeps.
    if not step.high:
        values.append(Expected("page_table_bytes_left", 0, RULES["mmap.nothing-left"]))
    return tuple(values)


def _check_beside(step: MappingStep) -> None:
    if step.beside and step.size > BESIDE_BYTES:
        raise UserError(
            f"a mapping of {format_size(step.size)} reaches what is to be beside it",
            field="size",
            hint=f"{format_size(BESIDE_BYTES)} or less",
        )


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
    if device is not None and not _finds_pud(memory, step):
        return _Stop(0, "SIGBUS", "BUS_ADRERR", RULES["defect.pud-fault-size"])
    if device is not None and step.advice == "nohuge" and device.align > memory.machine.page:
        return _Stop(0, "SIGBUS", "BUS_ADRERR", RULES["devdax.nohuge"])
    end = memory.end
    if end is None or first + length <= end:
        return None
    rule = RULES["devdax.past-end" if device is not None else "file.past-end"]
    return _Stop(max(0, end - first), "SIGBUS", "BUS_ADRERR", rule)


def _finds_pud(memory: Memory, step: MappingStep) -> bool:
    """Whether faults get past the handler of PUDs: where the mapping's is not its own alone."""
    alone = not step.beside and (step.fixed if isinstance(step, Fault) else True)
    return not alone or step.advice == "nohuge" or not fails_on_empty_pud(memory.machine)


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


def _complaint(memory: Memory, stop: _Stop | None) -> tuple[Expected, ...]:
    """What the kernel says when it maps the first entry, if it comes to that."""
    if memory.step.memory != "devdax" or (stop is not None and stop.touched == 0):
        return ()
    return complaints.of_touching(memory.machine, memory.devdax)


def _no_mapping(errno: str, rule: Rule, why: str) -> tuple[Expected, ...]:
    return (
        Expected("outcome", "refused", rule, because=why),
        Expected("errno", errno, rule, because=why),
    )


def expect_mmap(memory: Memory, step: Mmap) -> tuple[Expected, ...]:
    """Values of a ``mmap`` step. Raises UserError for one that makes no sense."""
    if step.split and step.size < 4 * memory.machine.page:
        raise UserError(
            f"a mapping of {format_size(step.size)} has no page in its middle",
            field="size",
            hint=f"{format_size(4 * memory.machine.page)} or more",
        )
    if step.end == "truncate" and step.memory != "fsdax":
        raise UserError(
            f"{step.memory} memory has no file to truncate", field="end", hint="munmap or exit"
        )
    if step.protect and (step.memory, step.access, step.fork) != ("anon", "write", True):
        raise UserError(
            "what a child writes is its own in anonymous memory alone",
            field="protect",
            hint="memory: anon, access: write, and fork",
        )
    if step.collapse and (step.memory, step.access, step.advice) != ("anon", "write", "none"):
        raise UserError(
            "huge pages are made of anonymous memory that was written to, and of no other",
            field="collapse",
            hint="memory: anon, access: write, and no advice",
        )
    if step.move and step.size > step.MOVED_BYTES:
        raise UserError(
            f"a mapping of {format_size(step.size)} is moved into itself",
            field="size",
            hint=f"{format_size(step.MOVED_BYTES)} or less",
        )
    _check_beside(step)
    stop = _stopped(memory, step, step.size)
    early = _refused(memory, fixed=True) or _complaint(memory, stop)
    if early:
        return early
    if stop is not None:
        values = (Expected("outcome", "signalled", stop.rule), *stop.expected(0)[:2])
        return (*values, *_expect_nothing_left(memory.machine, step))
    values = (Expected("outcome", "touched", RULES["fault.touched"]),)
    return (*values, *_expect_life(memory, step), *_expect_nothing_left(memory.machine, step))


def _expect_life(memory: Memory, step: Mmap) -> Iterator[Expected]:
    if step.split:
        whole = memory.devdax is not None and memory.devdax.align > memory.machine.page
        rule = RULES["devdax.split" if whole else "mmap.split"]
        yield Expected("split_errno", "EINVAL" if whole else None, rule)
    if step.end == "truncate":
        yield Expected("truncated_signal", "SIGBUS", RULES["file.past-end"])
    if step.move or step.end == "munmap":
        yield Expected("left_signal", "SIGSEGV", RULES["mmap.no-more"])
    yield from _expect_moved(memory, step)
    if not memory.direct and step.memory == "fsdax" and not copies_pages(memory):
        return
    faults = faults_of(memory, 0, step.size).times(step.repeats)
    if step.collapse:
        faults = Range(memory.pages * step.repeats, memory.pages * step.repeats)
        errno = None if memory.machine.has_huge_pages else "EINVAL"
        yield Expected("collapse_errno", errno, RULES["mmap.collapse"])
    why = f"{about_entries(memory)}, {step.repeats} times"
    yield from between("faults", faults, rule_of_faults(memory), why)
    if step.memory == "anon":
        yield Expected("committed_bytes_left", 0, RULES["mmap.committed"])
    if step.fork and step.memory == "anon" and step.access == "write":
        pages = memory.pages * step.repeats
        rule, why = RULES["mmap.copy"], f"{pages} base pages copied"
        yield Expected("child_faults", pages, rule, because=why)
    elif step.fork and not (step.memory == "anon" and step.lock):
        # Else the child has entries, and it is the MMU's whether an access to them is a fault.
        yield from between("child_faults", faults, RULES["mmap.fork"], why)
    if step.protect:
        yield Expected("protect_errno", None, RULES["mmap.copy"])
        yield Expected("intact_bytes", step.size * step.repeats, RULES["mmap.copy"])
    yield from expect_tables(memory, 0, step.size)
    yield from _expect_counters(memory, step)


def _expect_moved(memory: Memory, step: Mmap) -> Iterator[Expected]:
    if step.lock:
        rule = RULES["mmap.lock"]
        locked = 0 if memory.is_dax else memory.pages * memory.machine.page
        why = "the kernel locks no DAX" if memory.is_dax else ""
        yield Expected("lock_errno", None, rule)
        yield Expected("locked_bytes", locked, rule, because=why)
        if step.end != "exit":
            yield Expected("locked_bytes_left", 0, rule)
    if step.move:
        yield Expected("move_errno", None, RULES["mmap.move"])
        yield Expected("moved_faults", 0, RULES["mmap.move"])


def _expect_counters(memory: Memory, step: Mmap) -> Iterator[Expected]:
    page, pmd = memory.machine.page, memory.machine.pmd
    counted = memory.direct and memory.machine.dax_counts_folios
    rule = RULES["dax.rss" if counted else "dax.no-rss"]
    pages = memory.pages if counted else 0
    truncated = step.end == "truncate" and step.repeats > 1
    sparse = truncated or (memory.files is not None and memory.files.sparse)
    holes = step.memory == "fsdax" and sparse and step.access == "read"
    least = 0 if holes else pages
    noise = RSS_NOISE_PAGES
    rss = Range((least - noise) * page, (pages + noise) * page)
    yield from between("rss_file_bytes", rss, rule, f"{pages} pages, {noise} more or less")
    yield from between("nr_mapped", Range(least, pages), rule, f"{pages} pages")
    entries = memory.entries
    if written := step.memory == "anon" and step.access == "write":
        rule = RULES["mmap.anon-huge"]
    huge = step.size // pmd if (counted or written) and entries.most == pmd else 0
    certain = huge if entries.least == pmd and not holes else 0
    yield from between("pmd_mapped", Range(certain, huge), rule, "in PMD entries")


def _expect_nothing_left(machine: Machine, step: Mmap) -> Iterator[Expected]:
    rule = RULES["mmap.nothing-left"]
    if step.end != "exit":
        yield Expected("page_table_bytes_left", 0, rule)
    yield Expected("nr_mapped_left", 0, rule)
    yield Expected("pmd_mapped_left", 0, rule)
    # The whole kernel's: tables of processes before may go meanwhile.
    own = KERNEL_TABLES if machine.counts_kernel_tables else 0
    why = f"up to {own} for stacks of new tasks" if own else ""
    yield Expected("page_table_pages_left", own, rule, "<=", why)
