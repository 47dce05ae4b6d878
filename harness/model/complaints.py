"""What a kernel with a known defect says on its console, and in which step.

A complaint is all that is predicted of its step, and the cell ends with it.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.model.defects import (
    ends_before_data,
    loses_heads,
    misses_heads,
    outlives_pages,
    overflows_page_list,
    overruns,
    shares_heads,
    shares_vmemmap_page,
    warns_of_shared_heads,
)
from harness.model.machine import Machine
from harness.model.rules import RULES
from harness.model.state import Devdax, Namespace
from harness.model.vmemmap_ram import Taken
from harness.records import KERNEL_REPORT, Expected, Rule

# The compiler decides whether the first of them is a function of its own.
_INITIALISES = "(__init_single_page|__init_zone_device_page)"


def of_making(machine: Machine, namespace: Namespace, taken: Taken) -> tuple[Expected, ...]:
    """What it says when a namespace is made, whose struct pages are ``taken`` so."""
    if taken.exhausted:
        return _complaint(
            "vmemmap-leak in memunmap_pages; probe-failure", taken.rule, taken.because
        )
    said = []
    if warns_of_shared_heads(machine, namespace):
        said.append("warning in memmap_init_compound")
    if overruns(machine, namespace):
        said.append(f"paging-fault in {_INITIALISES}")
    return _complaint("; ".join(said), _rule_of_heads(machine), _off(namespace)) if said else ()


def of_destroying(machine: Machine, namespaces: Sequence[Namespace]) -> tuple[Expected, ...]:
    """What it says when these namespaces of one region go."""
    if shares_vmemmap_page(machine, namespaces):
        rule = RULES["defect.vmemmap-page-shared"]
        starts = ", ".join(f"{namespace.start:#x}" for namespace in namespaces)
        return _complaint("vmemmap-leak in memunmap_pages", rule, f"namespaces at {starts}")
    for namespace in namespaces:
        if ends_before_data(namespace):
            end = namespace.start + namespace.raw_bytes
            why = f"nothing is left of {namespace.start:#x} to {end:#x}"
            return _complaint("paging-fault in memunmap_pages", RULES["defect.empty-fsdax"], why)
    return ()


def of_touching(machine: Machine, device: Devdax | None) -> tuple[Expected, ...]:
    """What it says when a mapping of a devdax is first accessed."""
    if device is None or not machine.dax_counts_folios:
        return ()
    if shares_heads(machine, device):
        rule = RULES["defect.radix-compounds"]
    elif misses_heads(machine, device):
        rule = RULES["defect.folio-head"]
    else:
        return ()
    return _complaint("warning in vmf_insert_folio_pud", rule, _off(device))


def of_holding(machine: Machine, device: Devdax | None) -> tuple[Expected, ...]:
    """What it says when pages of a devdax are held, which they are touched for."""
    touched = of_touching(machine, device)
    if touched or device is None:
        return touched
    if not shares_heads(machine, device) and not loses_heads(machine, device):
        return ()
    grab = "try_grab_folio" if machine.grabs_folios else "try_grab_page"
    return _complaint(f"warning in {grab}", _rule_of_heads(machine), _off(device))


def of_registering(machine: Machine, region_bytes: int) -> tuple[Expected, ...]:
    """What it says when so much memory is registered with soft RoCE."""
    if not overflows_page_list(machine, region_bytes):
        return ()
    why = f"{region_bytes // machine.page} pages of {machine.page:#x}"
    return _complaint("warning in __alloc_mr_page_info", RULES["defect.rxe-page-list"], why)


def _rule_of_heads(machine: Machine) -> Rule:
    return RULES["defect.radix-compounds" if machine.mmu == "radix" else "defect.section-compounds"]


def of_unbinding(machine: Machine, device: Namespace, *, holds: bool) -> tuple[Expected, ...]:
    """What it says when a page that was held of a devdax is given up after the device went."""
    if not holds or not outlives_pages(machine):
        return ()
    rule = RULES["defect.pages-outlived"]
    pages = f"struct pages of {device.size_bytes:#x} bytes are unmapped before one is given up"
    return _complaint("paging-fault in page_cache_pipe_buf_release", rule, pages)


def _complaint(said: str, rule: Rule, because: str) -> tuple[Expected, ...]:
    return (Expected(KERNEL_REPORT, said, rule, "matches", because),)


def _off(device: Devdax) -> str:
    off = device.start % device.align
    return f"{device.start:#x} is {off:#x} off a multiple of {device.align:#x}"
