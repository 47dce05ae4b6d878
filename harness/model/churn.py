"""What ``churn`` must show: a namespace that comes and goes leaves nothing."""

from __future__ import annotations

from harness.errors import UserError
from harness.model import complaints
from harness.model.availability import why_no_mode
from harness.model.cost import cost_of, expect_nothing_kept
from harness.model.namespace import expect_refused, place_in
from harness.model.ndctl import Refusal
from harness.model.regions import expect_available
from harness.model.rules import RULES
from harness.model.state import GuestState
from harness.records import Expected, Prediction
from harness.scenario.steps import Churn


def predict_churn(state: GuestState, step: Churn) -> Prediction:
    """A ``churn`` step; the guest is as before. Raises UserError in a region that is in use."""
    machine = state.machine
    lacking = why_no_mode(machine, step.mode)
    if lacking is not None:
        return Prediction(step.kind, (), lacking)
    region = state.region(step.region)
    if region.namespaces:
        raise UserError(
            f"churn: region {step.region} has namespaces, which it would destroy",
            field="region",
            hint="destroy-namespaces before it",
        )
    outcome = place_in(machine, region, step)
    rule = RULES["ns.churn"]
    if isinstance(outcome, Refusal):
        refused = (e for e in expect_refused(outcome) if e.name != "outcome")
        return Prediction(step.kind, (Expected("made", 0, outcome.rule), *refused))
    cost = cost_of(machine, outcome, state.spans())
    complaint = complaints.of_making(machine, outcome, cost.taken)
    complaint = complaint or complaints.of_destroying(machine, [outcome])
    if complaint:
        return Prediction(step.kind, complaint)
    lacking = cost.why_impossible(machine, state.struct_page_bytes)
    if lacking is not None:
        return Prediction(step.kind, (), lacking)
    expected = (
        Expected("made", step.times, rule),
        Expected("namespaces_left", 0, rule),
        expect_available(machine, "available_bytes", region),
        *expect_nothing_kept(machine, step.times),
    )
    return Prediction(step.kind, expected)
