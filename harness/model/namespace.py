"""What ``create-namespace`` must show: the kernel's part of it, and every value seen.

ndctl's own part is in ``ndctl.py``, the arithmetic in ``geometry.py``.
"""

from __future__ import annotations

from dataclasses import replace

from harness.errors import UserError
from harness.model import complaints, ndctl
from harness.model.availability import why_no_mode, why_no_pmem
from harness.model.cost import cost_of, expect_cost, expect_returned
from harness.model.geometry import (
    STRUCT_PAGE_RESERVED,
    InfoBlock,
    btt_arenas,
    btt_capacity,
    place_info_block,
)
from harness.model.machine import Machine
from harness.model.ndctl import Refusal, Request
from harness.model.regions import expect_available
from harness.model.rules import RULES
from harness.model.state import GuestState, Namespace, RegionState
from harness.model.vmemmap import explain_sharing
from harness.records import Expected, PmemDevice, Prediction, Rule
from harness.scenario.steps import CreateNamespace, DestroyNamespaces, Map, Mode
from harness.units import count


def predict_create(state: GuestState, step: CreateNamespace) -> Prediction:
    """A ``create-namespace`` step; the namespace takes its space."""
    machine = state.machine
    lacking = why_no_mode(machine, step.mode)
    if lacking is not None:
        return Prediction(step.kind, (), lacking)
    region = state.region(step.region)
    _refuse_unlabelled(step.kind, region)
    outcome = place_in(machine, region, step)
    if isinstance(outcome, Refusal):
        return Prediction(step.kind, expect_refused(outcome))
    cost = cost_of(machine, outcome, state.spans())
    complaint = complaints.of_making(machine, outcome, cost.taken)
    if complaint:
        return Prediction(step.kind, complaint)
    lacking = cost.why_impossible(machine, state.struct_page_bytes)
    if lacking is not None:
        return Prediction(step.kind, (), lacking)
    overhead = cost.overhead_bytes(machine)
    namespace = replace(outcome, counted_pages=cost.counted_pages, overhead_bytes=overhead)
    region.namespaces.append(namespace)
    state.blocks += cost.blocks
    created = expect_created(machine, namespace)
    return Prediction(step.kind, (*created, *expect_cost(machine, region.device, cost)))


def predict_destroy(state: GuestState, step: DestroyNamespaces) -> Prediction:
    """A ``destroy-namespaces`` step; space and memory come back."""
    lacking = why_no_pmem(state.machine)
    if lacking is not None:
        return Prediction(step.kind, (), lacking)
    region = state.region(step.region)
    if region.system_ram is not None:
        raise UserError(
            f"destroy-namespaces: a device of region {step.region} is RAM at this point",
            field="region",
            hint="reconfigure-device with mode: devdax before it",
        )
    _refuse_unlabelled(step.kind, region)
    if said := complaints.of_destroying(state.machine, region.namespaces):
        return Prediction(step.kind, said)
    gone, region.namespaces = region.namespaces, []
    if gone:
        region.broken = frozenset()
    region.files = region.unmounted = None
    rule = RULES["ns.destroyed"]
    expected = (
        Expected("outcome", "destroyed", rule),
        Expected("namespaces_left", 0, rule),
        expect_available(state.machine, "available_bytes", region),
        *expect_returned(state.machine, state.release(), gone),
    )
    return Prediction(step.kind, expected)


def _refuse_unlabelled(kind: str, region: RegionState) -> None:
    if region.unlabelled:
        message = f"{kind}: the region's labels are lost, and ndctl makes none"
        raise UserError(message, field="region", hint="nothing but looking at it after that")


def place_in(machine: Machine, region: RegionState, step: CreateNamespace) -> Namespace | Refusal:
    """As :func:`place_namespace`; the region's seed devices are as the step leaves them."""
    mode = step.mode
    seed_align = region.seed_aligns.get(mode)
    outcome = place_namespace(machine, region.device, region.used_bytes, step, seed_align)
    if isinstance(outcome, Namespace):
        region.seed_aligns.pop(mode, None)  # the seed became the device, and there is a new one
    elif outcome.left_align is not None:
        region.seed_aligns[mode] = outcome.left_align
    else:
        return outcome
    # A label was written, to both index blocks; one that the kernel refused was deleted in one.
    region.broken, region.differ = frozenset(), isinstance(outcome, Refusal)
    return outcome


def place_namespace(
    machine: Machine,
    region: PmemDevice,
    used_bytes: int,
    step: CreateNamespace,
    seed_align: int | None = None,
) -> Namespace | Refusal:
    """The namespace that this step makes in a region, or who refuses it and how."""
    request = ndctl.resolve(machine, region, used_bytes, step, seed_align)
    if isinstance(request, Refusal):
        return request
    if request.map is not None:
        return _with_info_block(machine, step.mode, request, request.map)
    size = request.raw_bytes
    if request.sector_bytes is not None:
        size = btt_capacity(request.raw_bytes, request.sector_bytes)
    return Namespace(
        mode=step.mode,
        map=None,
        start=request.start,
        raw_bytes=request.raw_bytes,
        size_bytes=size,
        align=request.align,
        sector_bytes=request.sector_bytes,
        block_bytes=request.block_bytes,
    )


def _with_info_block(
    machine: Machine, mode: Mode, request: Request, map_: Map
) -> Namespace | Refusal:
    struct_page = machine.kernel.struct_page_bytes
    large = struct_page > STRUCT_PAGE_RESERVED and not machine.kernel.has("NVDIMM_KMSAN")
    if map_ == "dev" and large:
        because = f"struct page has {struct_page} bytes, {STRUCT_PAGE_RESERVED} are reserved"
        return _not_enabled(RULES["ns.struct-page"], because, request)
    info = place_info_block(
        start=request.start,
        raw_bytes=request.raw_bytes,
        align=request.align,
        compat=machine.memremap_compat_align,
        page=machine.page,
        map_=map_,
        reserved=max(struct_page, STRUCT_PAGE_RESERVED),
    )
    cut = info.end_trunc if machine.refuses_empty_namespace else 0
    if info.data_offset >= request.raw_bytes - cut:
        because = (
            f"data offset {info.data_offset:#x} >= {request.raw_bytes:#x}"
            f"{f' - {cut:#x} cut off' if cut else ''}, aligned to {info.alignment:#x}"
        )
        return _not_enabled(RULES["ns.no-room"], because, request)
    return Namespace(
        mode=mode,
        map=map_,
        start=request.start,
        raw_bytes=request.raw_bytes,
        size_bytes=info.size_bytes,
        align=request.align,
        info=info,
        block_bytes=request.block_bytes,
    )


def _not_enabled(rule: Rule, because: str, request: Request) -> Refusal:
    """The kernel's refusal: ndctl takes the namespace away from the seed, and no more."""
    return Refusal(rule, because, "failed to enable", "ENXIO", left_align=request.align)


def expect_refused(refusal: Refusal) -> tuple[Expected, ...]:
    """Values of a step whose namespace is refused."""
    rule, because = refusal.rule, refusal.because
    expected = [Expected("outcome", "refused", rule, because=because)]
    if refusal.errno is not None:
        expected.append(Expected("errno", refusal.errno, rule, because=because))
    if refusal.message is not None:
        expected.append(Expected("message", refusal.message, rule, "contains", because))
    return tuple(expected)


def expect_created(machine: Machine, namespace: Namespace) -> tuple[Expected, ...]:
    """Values of a step whose namespace comes to be."""
    created = RULES["ns.created"]
    because = f"{namespace.raw_bytes:#x} bytes at {namespace.start:#x}"
    span = namespace.mapped
    if namespace.mode == "devdax" and span is not None and namespace.map is not None:
        because += "; " + explain_sharing(
            machine,
            start=span.start,
            length=span.size,
            align=namespace.align,
            map_=namespace.map,
        )
    expected = [
        Expected("outcome", "created", created, because=because),
        Expected("mode", namespace.mode, created),
    ]
    if namespace.info is not None and namespace.map is not None:
        return (*expected, *_expect_dax(machine, namespace, namespace.map, namespace.info))
    device = Expected("device", "blockdev", RULES["ns.device"])
    if namespace.sector_bytes is None:
        rule, why = RULES["ns.raw-size"], "all of it"
    else:
        rule = RULES["btt.capacity"]
        arenas = len(btt_arenas(namespace.raw_bytes))
        why = f"{count(arenas, 'arena')} in {namespace.raw_bytes:#x} bytes"
        sectors = namespace.sector_bytes
        expected.append(Expected("sector_size", sectors, RULES["btt.sector-size"]))
    return (
        *expected,
        Expected("size_bytes", namespace.size_bytes, rule, because=why),
        device,
        Expected("device_bytes", namespace.size_bytes, rule, because=why),
        _expect_blocks(namespace),
    )


def _expect_dax(
    machine: Machine, namespace: Namespace, map_: Map, info: InfoBlock
) -> tuple[Expected, ...]:
    size_rule = RULES["ns.end-trunc" if info.end_trunc else "ns.size"]
    size_why = (
        f"{namespace.raw_bytes:#x} - offset {info.data_offset:#x} - end {info.end_trunc:#x}"
        f" (end of {namespace.start + namespace.raw_bytes:#x} modulo {info.alignment:#x})"
    )
    offset_why = _why_offset(machine, namespace, info)
    size = namespace.size_bytes
    values = (
        Expected("map", map_, RULES["ns.map"]),
        Expected("size_bytes", size, size_rule, because=size_why),
        Expected("align_bytes", namespace.align, RULES["ns.align"]),
    )
    if size == 0:
        return values
    offset_rule = RULES["ns.data-offset"]
    resource = namespace.start + info.data_offset
    device = "chardev" if namespace.mode == "devdax" else "blockdev"
    return (
        *values,
        Expected("resource", resource, offset_rule, because=offset_why),
        Expected("data_offset", info.data_offset, offset_rule, because=offset_why),
        Expected("device", device, RULES["ns.device"]),
        Expected("device_bytes", size, size_rule, because=size_why),
        *((_expect_blocks(namespace),) if device == "blockdev" else ()),
    )


def _expect_blocks(namespace: Namespace) -> Expected:
    return Expected("block_bytes", namespace.block_bytes, RULES["ns.block-size"])


def _why_offset(machine: Machine, namespace: Namespace, info: InfoBlock) -> str:
    page_map = f" + {info.page_map_bytes:#x} for struct pages" if info.page_map_bytes else ""
    return (
        f"{namespace.start:#x} + 0x2000{page_map}, up to a multiple of {info.alignment:#x}"
        f" = max(align {namespace.align:#x}, compat {machine.memremap_compat_align:#x})"
    )
