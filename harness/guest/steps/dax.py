"""Dynamic dax regions: daxctl makes, resizes and destroys devices, sysfs shows them."""

from __future__ import annotations

from harness.guest.protocols import Shell
from harness.guest.steps.context import StepContext
from harness.guest.steps.memory import (
    FOLLOW_MEMMAP_AFTER,
    FOLLOW_MEMMAP_BEFORE,
    measured,
    measured_with_memmap,
    memmap_initialised,
    memory_taken,
)
from harness.guest.steps.places import DAX_REGION, name_device
from harness.guest.steps.script import ScriptOutput, run_script
from harness.observe.daxctl import parse_complaint
from harness.observe.sections import parse_attributes, read_integer
from harness.records import Observation, Scalar
from harness.scenario.dax_steps import CreateDevice, DaxRegions, DestroyDevice, ResizeDevice
from harness.scenario.step import DaxName

_SHOW = """\
devices=/sys/bus/dax/devices
# of_device: the region of $device in $region, its number in the names of devices in $number;
# device 0 of a dynamic region stays whatever becomes of $device
of_device() {
    number=${device#dax}
    number=${number%.*}
    region=$devices/dax$number.0/../dax_region
    [ -d $region ] || region=$devices/$device/../dax_region
}
# show_region PREFIX: the region in $region
show_region() {
    show $region/size $1size_bytes
    show $region/available_size $1available_bytes
    show $region/align $1align_bytes
    show $region/seed $1seed
    show $region/create $1youngest
    ids=
    for path in $devices/dax$number.*; do
        [ ! -d $path ] || ids="$ids ${path##*.}"
    done
    echo "$1devices=${ids# }"
}
# show_device NAME PREFIX: a device, and its ranges in the order of their offsets
show_device() {
    path=$devices/$1
    show $path/size $2size_bytes
    show $path/align $2align_bytes
    show $path/resource $2resource
    show $path/target_node $2target_node
    [ ! -e $path/driver ] || { driver=$(readlink $path/driver); echo $2driver=${driver##*/}; }
    range=0
    while [ -d $path/mapping$range ]; do
        show $path/mapping$range/start $2range$range.start
        show $path/mapping$range/end $2range$range.end
        show $path/mapping$range/page_offset $2range$range.page_offset
        range=$((range + 1))
    done
    echo $2ranges=$range
}
"""

_REGIONS = """\
mark regions
index=0
while dax_region $index; do
    region=$hmem/dax_region
    show_region dax_region$index.
    for id in $ids; do show_device dax$number.$id dax$index.$id.; done
    index=$((index + 1))
done
echo dax_regions=$index
"""

_CREATE = """\
of_device
{create}
status=$?
mark left
show_region ''
name=${{json#*\\"chardev\\":\\"}}
if [ "$name" != "$json" ]; then
    name=${{name%%\\"*}}
    mark device
    echo device=${{name#*.}}
    show_device $name ''
fi
exit $status
"""

_RESIZE = """\
of_device
{{
{before}
{disable}
daxctl reconfigure-device --verbose --size={size} {align} $device >&2
status=$?
{enable}
{after}
}} 5</dev/kmsg
mark left
show_region ''
mark device
show_device $device ''
exit $status
"""
_DISABLE = """\
[ ! -e $devices/$device/driver ] || daxctl disable-device $device >/dev/null 2>&1
"""
_ENABLE = """\
size=0; read -r size <$devices/$device/size
[ $size -eq 0 ] || daxctl enable-device $device >/dev/null 2>&1
"""

_DESTROY = """\
of_device
{destroy}
status=$?
mark left
show_region ''
exit $status
"""

_OF_REGION = ("available_bytes", "devices", "seed")


def show_dax_regions(step: DaxRegions, shell: Shell, context: StepContext) -> Observation:
    """The regions of soft-reserved memory and their devices, as sysfs has them."""
    output = run_script(shell, DAX_REGION + _SHOW + _REGIONS, context.deadline())
    values = _values(output.section("regions"))
    for index in range(_count(values, "dax_regions")):
        values = _with_nothing(values, f"dax_region{index}.", ("seed", "youngest"))
        for device in str(values[f"dax_region{index}.devices"]).split():
            values = _with_nothing(values, f"dax{index}.{device}.", ("target_node", "driver"))
    return Observation(step.kind, values, (output.record,))


def create_device(step: CreateDevice, shell: Shell, context: StepContext) -> Observation:
    """The device that daxctl made, or its refusal, and what became of the region."""
    place = DaxName(step.dax_region, 0) if step.region is None else step.region
    options = _options(size=step.size, align=step.align)
    create = f"daxctl create-device --verbose --region=$number {options}"
    create = measured_with_memmap(create, "json")
    script = name_device(place) + _SHOW + _CREATE.format(create=create)
    output = run_script(shell, script, context.deadline())
    values = _of_region(output) | _of_device(output) | _outcome(output, "created")
    if output.record.status == 0:
        values |= memmap_initialised(output) | memory_taken(output, context.page_size)
    return Observation(step.kind, values, (output.record,))


def resize_device(step: ResizeDevice, shell: Shell, context: StepContext) -> Observation:
    """The device at its new size, or daxctl's refusal, and what became of the region."""
    script = _RESIZE.format(
        size=step.size,
        align=_options(align=step.align),
        disable=_DISABLE if step.disable else ":",
        enable=_ENABLE if step.disable else ":",
        before=FOLLOW_MEMMAP_BEFORE,
        after=FOLLOW_MEMMAP_AFTER,
    )
    script = name_device(step.place) + _SHOW + script
    output = run_script(shell, script, context.deadline())
    left = {"available_bytes": _of_region(output)["available_bytes"]}
    values = left | _of_device(output) | _outcome(output, "resized")
    values |= memmap_initialised(output) | memory_taken(output, context.page_size)
    return Observation(step.kind, values, (output.record,))


def destroy_device(step: DestroyDevice, shell: Shell, context: StepContext) -> Observation:
    """What is left of the region; daxctl may refuse to destroy what it has emptied before."""
    force = "--force" if step.force else ""
    destroy = measured(f"daxctl destroy-device --verbose {force} $device")
    script = name_device(step.device) + _SHOW + _DESTROY.format(destroy=destroy)
    output = run_script(shell, script, context.deadline())
    values = _of_region(output) | _outcome(output, "destroyed")
    values |= memory_taken(output, context.page_size)
    return Observation(step.kind, values, (output.record,))


def _options(**given: int | None) -> str:
    return " ".join(f"--{name}={value}" for name, value in given.items() if value is not None)


def _outcome(output: ScriptOutput, done: str) -> dict[str, Scalar]:
    """Whether daxctl did it. Raises InfrastructureError where it says nothing."""
    if output.record.status == 0:
        return {"outcome": done}
    complaint = parse_complaint(output.record.stderr, output.record.status)
    return {
        "outcome": "refused",
        "errno": complaint.errno,
        "kernel_errno": complaint.kernel_errno,
        "message": complaint.message,
    }


def _of_region(output: ScriptOutput) -> dict[str, Scalar]:
    values = _with_nothing(_values(output.section("left")), "", _OF_REGION)
    return {name: values[name] for name in _OF_REGION}


def _of_device(output: ScriptOutput) -> dict[str, Scalar]:
    if "device" not in output.sections:
        return {}
    return _with_nothing(_values(output.section("device")), "", ("target_node", "driver"))


def _values(section: str) -> dict[str, Scalar]:
    """Numbers; ids for the names of devices, and those of ``devices`` in their order."""
    values: dict[str, Scalar] = {}
    for name, text in parse_attributes(section).items():
        match name.rpartition(".")[2]:
            case "devices":
                values[name] = " ".join(map(str, sorted(map(int, text.split()))))
            case "seed" | "youngest":
                values[name] = read_integer(text.rpartition(".")[2])
            case "driver":
                values[name] = text
            case _:
                values[name] = read_integer(text)
    return values


def _with_nothing(
    values: dict[str, Scalar], prefix: str, names: tuple[str, ...]
) -> dict[str, Scalar]:
    """The values, None under the names of what sysfs shows nothing of."""
    return {f"{prefix}{name}": None for name in names} | values


def _count(values: dict[str, Scalar], name: str) -> int:
    found = values.get(name)
    return found if isinstance(found, int) else 0
