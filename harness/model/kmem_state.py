"""What ``kmem-state`` must show: all memory of a device that is RAM, taken away and added again."""

from __future__ import annotations

from harness.errors import UserError
from harness.model.availability import why_no_kmem_state
from harness.model.identity import memory_block
from harness.model.kmem import (
    check_alone,
    check_last,
    check_movable,
    in_use,
    online_spans,
    refused_with,
    seen_bytes,
    why_never_ram,
)
from harness.model.ram import UNPLUGGED, Ram
from harness.model.rules import RULES
from harness.model.state import Devdax, GuestState
from harness.records import Expected, Prediction, Rule
from harness.scenario.steps import KmemState


def predict_kmem_state(state: GuestState, step: KmemState) -> Prediction:
    """A ``kmem-state`` step. Raises UserError where the device is not RAM."""
    machine = state.machine
    lacking = why_never_ram(machine, step) or why_no_kmem_state(machine)
    if lacking is not None:
        return Prediction(step.kind, (), lacking)
    device, ram = _as_ram(state, step)
    check_movable(step, ram)
    had, _ = in_use(machine, device, ram)
    errno, rule = _refusal(ram.state, step.state)
    outcome: tuple[Expected, ...] = (Expected("outcome", "set", rule),)
    if errno is not None:
        outcome = refused_with(errno, rule, f"the state is {ram.state}")
    elif ram.state != step.state:
        ram.state = step.state
        ram.online = "everything" if ram.plugged else "nothing"
    has, why = in_use(machine, device, ram)
    seen, within = seen_bytes(machine, device)
    blocks = seen // memory_block(machine)[0] if ram.plugged else 0
    online = blocks if has else 0
    expected = (
        *outcome,
        Expected("state", ram.state, rule),
        Expected("added_bytes", has - had, rule, because=why),
        Expected("blocks", blocks, rule, because=within),
        Expected("online_blocks", online, rule, because=within),
    )
    return Prediction(step.kind, expected)


def _as_ram(state: GuestState, step: KmemState) -> tuple[Devdax, Ram]:
    """The device, and what kmem has of it. Raises UserError where that is nothing."""
    device: Devdax | None
    if step.device:
        device = state.dax_device(step.device)
        check_alone(state.dax_region(device.region), device)
        ram, name = device.ram, str(step.device)
    else:
        region = state.region(step.region)
        check_last(step, region)
        device, ram, name = region.system_ram, region.ram, f"the device of region {step.region}"
    if device is None or ram is None or not online_spans(state.machine, device):
        raise UserError(
            f"kmem-state: {name} is not RAM at this point",
            field="device" if step.device else "region",
            hint="reconfigure-device with mode: system-ram before it",
        )
    return device, ram


def _refusal(before: str, asked: str) -> tuple[str | None, Rule]:
    """The error for asking so, None without, and the rule that says so."""
    if asked == "offline":
        return "EINVAL", RULES["kmem.state-offline"]
    if UNPLUGGED in (before, asked) or before == asked:
        return None, RULES["kmem.state-whole"]
    return "EBUSY", RULES["kmem.state-busy"]
