"""Which of the features under test a guest has at all."""

from __future__ import annotations

from harness.guest.protocols import Shell
from harness.guest.steps.context import StepContext
from harness.guest.steps.script import run_script
from harness.observe.sections import parse_attributes
from harness.records import Observation, Scalar
from harness.scenario.steps import Features

_FEATURES = """\
there() {
    name=$1
    shift
    for path; do
        [ ! -e "$path" ] || { echo $name=1; return; }
    done
    echo $name=0
}
mark features
there pmem $nd/region[0-9]*
there fsdax $nd/region*/pfn_seed
there devdax $nd/region*/dax_seed
there kmem /sys/bus/dax/drivers/kmem
there hmem /sys/bus/platform/drivers/hmem /sys/bus/platform/drivers/dax_hmem
there gup_test /sys/kernel/debug/gup_test
"""


def show_features(step: Features, shell: Shell, context: StepContext) -> Observation:
    """Devices, drivers and files that are there."""
    output = run_script(shell, _FEATURES, context.deadline())
    found = parse_attributes(output.section("features"))
    values: dict[str, Scalar] = {name: text == "1" for name, text in found.items()}
    return Observation(step.kind, values, (output.record,))
