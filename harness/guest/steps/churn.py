"""A namespace created and destroyed again and again, in one script."""

from __future__ import annotations

from harness.guest.protocols import Shell
from harness.guest.steps.context import StepContext
from harness.guest.steps.memory import MEASURE_AFTER, MEASURE_BEFORE, memory_taken
from harness.guest.steps.namespaces import creation_options
from harness.guest.steps.regions import COUNT_LEFT
from harness.guest.steps.script import run_script
from harness.observe.ndctl import parse_refusal
from harness.observe.sections import parse_attributes, read_integer
from harness.records import Observation, Scalar
from harness.scenario.steps import Churn

_CHURN = """\
region {index} || lack 'no region {index}'
round() {{
    ndctl create-namespace --region=$region {options} &&
        ndctl destroy-namespace --force --region=$region all
}} >/dev/null 2>/run/daxhound-churn
mark ndctl
round; status=$?
{before}
made=0
while [ $status -eq 0 ] && [ $made -lt {times} ]; do
    round; status=$?
    [ $status -ne 0 ] || made=$((made + 1))
done
{after}
{count_left}
echo made=$made
[ $status -eq 0 ] || cat /run/daxhound-churn >&2
exit $status
"""


def churn(step: Churn, shell: Shell, context: StepContext) -> Observation:
    """How often it was there and gone, and what was left of it."""
    script = _CHURN.format(
        index=step.region,
        options=" ".join(creation_options(step)),
        times=step.times,
        before=MEASURE_BEFORE,
        after=MEASURE_AFTER,
        count_left=COUNT_LEFT,
    )
    output = run_script(shell, script, context.deadline(step.times))
    left = parse_attributes(output.section("left"))
    values: dict[str, Scalar] = {name: read_integer(text) for name, text in left.items()}
    values |= memory_taken(output, context.page_size)
    if output.record.status != 0:
        refusal = parse_refusal(output.record.stderr, output.record.status)
        values |= {"errno": refusal.errno, "message": refusal.message}
    return Observation(step.kind, values, (output.record,))
