"""gup_test -c: the counts in struct pages, as dump_page() prints them."""

from __future__ import annotations

from harness.errors import InfrastructureError
from harness.guest.protocols import Shell
from harness.guest.steps.context import StepContext
from harness.guest.steps.places import locate
from harness.guest.steps.probe import map_beside
from harness.guest.steps.script import run_script, say_mark
from harness.observe.dump_page import parse_dump
from harness.observe.gup_test import parse_gup_test
from harness.observe.messages import whole_messages
from harness.observe.sections import parse_attributes, read_integer
from harness.records import Observation, Scalar
from harness.scenario.mapping_steps import PageMetadata

_MIB = 1 << 20
# A multiple of no entry's pages: GUP has to begin in the middle of most.
_PAGES_PER_CALL = 100

_DUMP = """\
echo 'daxhound: {kind}' >/dev/kmsg
daxprobe {before} follow:5 {output} do:1 '{{' gup_test {options} -f "$file" {pages} '}}' \
    {dmesg} messages:5 2>&1 5</dev/kmsg
status=$?
mark end
echo status=$status
[ $status -ne 127 ] || {{ echo 'gup_test: not found' >&2; exit 127; }}
"""


def dump_pages(step: PageMetadata, shell: Shell, context: StepContext) -> Observation:
    """What dump_page() says of each page; raises InfrastructureError where some of it is lost."""
    options = ["-c", *(["-p"] if step.pin else []), "-S", f"-m {step.size // _MIB}"]
    options.append(f"-n {_PAGES_PER_CALL}")
    script = locate(step.memory, step.place) + _DUMP.format(
        kind=step.kind,
        before=" ".join(_also_map(step, context.page_size)) if step.also_mapped else "",
        output=say_mark("output"),
        options=" ".join(options),
        pages=" ".join(map(str, step.pages)),
        dmesg=say_mark("dmesg"),
    )
    output = run_script(shell, script, context.deadline())
    commands = (output.record,)
    if "no-device" in output.sections:
        return Observation(step.kind, {"outcome": "no-device"}, commands)
    status = read_integer(parse_attributes(output.section("end")).get("status"))
    text = output.section("output").lstrip("\n")
    run = parse_gup_test(text, -1 if status is None else status)
    if run.outcome == "not-run":
        raise InfrastructureError(f"gup_test did not run: {text.strip() or f'status {status}'}")
    if run.outcome != "ran":
        values: dict[str, Scalar] = {"outcome": run.outcome}
        return Observation(step.kind, values, commands)
    return Observation(step.kind, _values(whole_messages(output.section("dmesg"))), commands)


def _also_map(step: PageMetadata, page: int) -> tuple[str, ...]:
    return (
        *map_beside(step.size),
        f"touch:write:0:{step.size}:{page}",
    )


def _values(messages: str) -> dict[str, Scalar]:
    values: dict[str, Scalar] = {"outcome": "dumped"}
    for index, page in parse_dump(messages).items():
        name = f"page{index}"
        values |= {
            f"{name}.refcount": page.refcount,
            f"{name}.mapcount": page.mapcount,
            f"{name}.order": page.order,
            f"{name}.pincount": page.pincount,
            f"{name}.pfn": page.pfn,
            f"{name}.index": page.index,
        }
    return values
