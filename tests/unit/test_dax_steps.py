"""Steps about dynamic dax regions against a recorded guest: x86_64, kernel 6.1.192, daxctl 76.1.

/proc/zoneinfo is cut down to what is read of it, daxctl's log to what it complains of.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from harness.deadline import Deadline
from harness.errors import InfrastructureError
from harness.guest.steps import StepContext, run_step
from harness.observe.daxctl import parse_complaint
from harness.records import CommandRecord
from harness.scenario.steps import STEPS, Step
from harness.target import load_targets

RECORDINGS = Path(__file__).parent.parent / "data" / "steps" / "x86_64-6.1-dax.json"
RECORDED: list[dict[str, Any]] = json.loads(RECORDINGS.read_text())
CONTEXT = StepContext(load_targets()["x86_64"], 4096, 30.0)
SH = shutil.which("dash") or "/bin/sh"


class ScriptedShell:
    """Answers the one command of a step."""

    def __init__(self, status: int, stdout: str, stderr: str) -> None:
        self.answer = (status, stdout, stderr)
        self.commands: list[str] = []

    def run(self, command: str, deadline: Deadline) -> CommandRecord:
        assert deadline.remaining > 0
        self.commands.append(command)
        return CommandRecord(command, *self.answer, 0.1)


def step_of(recorded: dict[str, Any]) -> Step:
    return STEPS[recorded["kind"]].model_validate(recorded["step"])


@pytest.mark.parametrize(
    "recorded", RECORDED, ids=[f"{index}-{r['kind']}" for index, r in enumerate(RECORDED)]
)
def test_recorded_answer_gives_its_values(recorded: dict[str, Any]) -> None:
    shell = ScriptedShell(recorded["status"], recorded["stdout"], recorded["stderr"])
    observation = run_step(step_of(recorded), shell, CONTEXT)
    assert dict(observation.values) == recorded["values"]
    assert len(shell.commands) == 1  # each costs a round trip


def test_recordings_show_every_outcome() -> None:
    seen = {(r["kind"], r["values"].get("kernel_errno")) for r in RECORDED}
    assert seen >= {
        ("create-device", None),
        ("create-device", "EINVAL"),
        ("create-device", "ENOSPC"),
        ("resize-device", "EBUSY"),
        ("destroy-device", "EBUSY"),
    }
    outcomes = {r["values"].get("outcome") for r in RECORDED}
    assert outcomes == {None, "created", "resized", "destroyed", "refused"}


@pytest.mark.parametrize(
    "step",
    [
        *map(step_of, RECORDED),
        STEPS["create-device"].model_validate({"region": 1}),
        STEPS["resize-device"].model_validate({"region": 1, "size": "2M", "align": 4096}),
        STEPS["fault"].model_validate({"memory": "devdax", "device": "dax0.1"}),
        STEPS["reconfigure-device"].model_validate({"mode": "devdax", "device": "dax0.1"}),
    ],
    ids=lambda step: step.kind,
)
def test_script_is_valid_shell(step: Step) -> None:
    shell = ScriptedShell(96, "", "nothing to see")
    with pytest.raises(InfrastructureError):
        run_step(step, shell, CONTEXT)
    checked = subprocess.run(
        [SH, "-n"], input=shell.commands[0], capture_output=True, text=True, check=False
    )
    assert (checked.returncode, checked.stderr) == (0, "")
    assert not re.search(r"\{(size|region|options|disable)\}", shell.commands[0])


def test_a_device_is_found_by_the_number_of_its_region() -> None:
    step = STEPS["gup-test"].model_validate(
        {"command": "pin-fast", "memory": "devdax", "device": "dax1.3"}
    )
    shell = ScriptedShell(0, "\n@@daxhound no-device\n", "")
    assert run_step(step, shell, CONTEXT).values == {"outcome": "no-device"}
    assert "dax_region 1 ||" in shell.commands[0]
    assert "device=dax$number.3" in shell.commands[0]


def test_the_kernels_own_error_is_the_last_that_daxctl_met() -> None:
    said = (
        "libdaxctl: write_attr: failed to open /sys/a/driver_override: No such file or directory\n"
        "libdaxctl: write_attr: failed to write 0x100000\n"
        " to /sys/devices/platform/hmem.0/dax0.4/size: Invalid argument\n"
        "libdaxctl: daxctl_dev_set_size: dax0.4: failed to set size\n"
        "error creating devices: No such device or address\ncreated 0 devices\n"
    )
    found = parse_complaint(said, 250)
    assert (found.errno, found.kernel_errno) == ("ENXIO", "EINVAL")
    assert found.message == "error creating devices: No such device or address"


def test_a_failure_without_a_word_is_no_refusal() -> None:
    with pytest.raises(InfrastructureError, match="status 250 without a word"):
        parse_complaint("created 0 devices\n", 250)
