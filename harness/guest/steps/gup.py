"""The kernel's gup_test on every kind of memory, with the counters around it."""

from __future__ import annotations

from harness.errors import InfrastructureError
from harness.guest.protocols import Shell
from harness.guest.steps.context import StepContext
from harness.guest.steps.gup_untouched import run_gup_untouched
from harness.guest.steps.huge_pages import RELEASE, reserve_huge_pages
from harness.guest.steps.places import locate
from harness.guest.steps.script import ScriptOutput, run_script, say_mark
from harness.observe.gup_test import GupRun, parse_gup_test
from harness.observe.sections import parse_attributes, read_integer
from harness.observe.vmstat import counter_change, parse_vmstat
from harness.records import Observation, Scalar
from harness.scenario.steps import GupCommand, GupTest

_MIB = 1 << 20
_FLAGS: dict[GupCommand, str] = {
    "get-fast": "-u",
    "get": "-U",
    "pin-fast": "-a",
    "pin": "-b",
    "longterm": "-L",
    "longterm-fast": "-a -F {foll_longterm:#x}",
}

_RUN = """\
[ -w /proc/sys/vm/stat_refresh ] || lack 'vm.stat_refresh (CONFIG_PROC_SYSCTL)'
daxprobe {before} counters {output} {runs} {after} counters 2>&1
status=$?
{release}
mark end
echo status=$status
[ $status -ne 127 ] || {{ echo 'gup_test: not found' >&2; exit 127; }}
"""


def run_gup_test(step: GupTest, shell: Shell, context: StepContext) -> Observation:
    """What gup_test printed, how it ended, and how far the pin counters moved.

    Raises InfrastructureError for a run that tells nothing of the kernel.
    """
    if not step.touch:
        return run_gup_untouched(step, shell, context)
    output = run_script(shell, _script(step, context), context.deadline())
    commands = (output.record,)
    if "no-device" in output.sections:
        return Observation(step.kind, {"outcome": "no-device"}, commands)
    text = output.section("output").lstrip("\n")
    status = read_integer(parse_attributes(output.section("end")).get("status"))
    if status is None:
        what = output.record.stderr.strip() or text
        raise InfrastructureError(f"the gup_test script broke off: {what[-300:]}")
    run = parse_gup_test(text, status)
    if run.outcome == "not-run":
        raise InfrastructureError(f"gup_test did not run: {text.strip() or f'status {status}'}")
    return Observation(step.kind, _values(step, run, output), commands)


def _script(step: GupTest, context: StepContext) -> str:
    # -b and -U run once whatever -r says.
    single = step.command in ("get", "pin")
    run = f"do:1 '{{' gup_test {' '.join(_options(step, context))} '}}'"
    release = RELEASE if step.memory == "hugetlb" else ""
    script = _RUN.format(
        before=say_mark("before"),
        output=say_mark("output"),
        after=say_mark("after"),
        runs=" ".join([run] * (step.repeats if single else 1)),
        release=release,
    )
    match step.memory:
        case "devdax" | "fsdax":
            return locate(step.memory, step.place) + script
        case "hugetlb":
            return reserve_huge_pages(step.size) + script
        case _:
            return script


def _options(step: GupTest, context: StepContext) -> list[str]:
    options = [
        _FLAGS[step.command].format(foll_longterm=context.foll_longterm),
        f"-m {step.size // _MIB}",
        f"-n {step.pages_per_call}",
        f"-r {step.repeats}",
        "-w" if step.write else "-W",
    ]
    file_backed = step.memory in ("devdax", "fsdax")
    if step.memory == "shmem" or (step.shared and step.memory not in ("anon", "thp")):
        options.append("-S")
    if step.memory == "anon" or not step.huge:
        options.append("-T")
    elif step.memory == "thp":
        options.append("-t")
    if step.memory == "hugetlb":
        options.append("-H")
    if file_backed:
        options.append('-f "$file"')
    return options


def _values(step: GupTest, run: GupRun, output: ScriptOutput) -> dict[str, Scalar]:
    values: dict[str, Scalar] = {"outcome": run.outcome}
    if run.outcome in ("open-refused", "mmap-refused", "ioctl-refused"):
        values["errno"] = run.errno
    if run.outcome == "killed":
        values["signal"] = run.signal
    last = run.results[-1] if run.results else None
    values |= {
        "results": len(run.results),
        "truncated_bytes": run.truncated_bytes,
        "pinned_pages": _counted(output, "nr_foll_pin_acquired"),
        "unpinned_pages": _counted(output, "nr_foll_pin_released"),
        "get_us": last.get_us if last else None,
        "put_us": last.put_us if last else None,
        "get_us_each": _each([result.get_us for result in run.results]),
        "put_us_each": _each([result.put_us for result in run.results]),
    }
    if step.memory == "hugetlb":
        huge = parse_attributes(output.section("hugetlb")).get("huge_page_bytes")
        values["huge_page_bytes"] = read_integer(huge)
    if step.memory == "thp":
        values["thp_faults"] = _counted(output, "thp_fault_alloc")
    return values


def _each(times: list[int | None]) -> str | None:
    """Every time, spaces between; None for the tests that measure none."""
    return " ".join(str(time) for time in times if time is not None) or None


def _counted(output: ScriptOutput, counter: str) -> int:
    before = parse_vmstat(output.section("before"))
    change = counter_change(before, parse_vmstat(output.section("after")), counter)
    if change is None:
        raise InfrastructureError(f"the guest's /proc/vmstat has no {counter} (VM_EVENT_COUNTERS?)")
    return change
