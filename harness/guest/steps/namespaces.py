"""``ndctl create-namespace``, and what the kernel made of it in sysfs."""

from __future__ import annotations

from harness.errors import InfrastructureError
from harness.guest.protocols import Shell
from harness.guest.steps.context import StepContext
from harness.guest.steps.memory import measured_with_memmap, memmap_initialised, memory_taken
from harness.guest.steps.script import ScriptOutput, quote, run_script
from harness.observe.ndctl import NamespaceInfo, parse_namespaces, parse_refusal
from harness.observe.sections import parse_attributes, read_integer
from harness.records import Observation, Scalar
from harness.scenario.steps import CreateNamespace

_SECTOR_BYTES = 512  # the unit of /sys/block/*/size, whatever the device's block size

# The names are cut out of ndctl's JSON by the shell, so that sysfs is read in the same
# round trip; a chardev's stands inside the daxregion.
_CREATE = """\
region {index} || lack 'no region {index}'
{create}
status=$?
mark ndctl
printf '%s\\n' "$json"
[ $status -eq 0 ] || exit $status
mark sysfs
name_of() {{
    name=${{json#*\\"$1\\":\\"}}
    [ "$name" != "$json" ] && name=${{name%%\\"*}} || name=
}}
name_of dev
namespace=$name
holder=; read -r holder <$nd/$namespace/holder 2>/dev/null
show $nd/$namespace/resource start
[ -z "$holder" ] || show $nd/$holder/resource resource
name_of chardev
if [ -n "$name" ]; then
    echo $name >/run/daxhound-region{index}.chardev
    show /sys/bus/dax/devices/$name/size chardev_bytes
fi
name_of blockdev
if [ -n "$name" ]; then
    echo $name >/run/daxhound-region{index}.blockdev
    show /sys/block/$name/size blockdev_sectors
    show /sys/block/$name/queue/logical_block_size block_bytes
fi
:
"""


def create_namespace(step: CreateNamespace, shell: Shell, context: StepContext) -> Observation:
    """The namespace that was made, or ndctl's refusal."""
    words = ("ndctl create-namespace --region=$region", *creation_options(step))
    create = measured_with_memmap(" ".join(words), "json")
    script = _CREATE.format(index=step.region, create=create)
    output = run_script(shell, script, context.deadline())
    record = output.record
    values: dict[str, Scalar]
    if record.status == 0:
        values = _created(output) | memmap_initialised(output)
        values |= memory_taken(output, context.page_size)
    else:
        refusal = parse_refusal(record.stderr, record.status)
        if not refusal.message:
            raise InfrastructureError(f"ndctl ended with status {record.status} without a word")
        values = {"outcome": "refused", "errno": refusal.errno, "message": refusal.message}
    return Observation(step.kind, values, (record,))


def creation_options(step: CreateNamespace) -> list[str]:
    """ndctl's options of a step that creates; what is not given is left to ndctl."""
    options = {
        "--mode": step.mode,
        "--map": step.map,
        "--align": step.align,
        "--size": step.size,
        "--sector-size": step.sector_size,
    }
    return [f"{name}={quote(value)}" for name, value in options.items() if value is not None]


def _created(output: ScriptOutput) -> dict[str, Scalar]:
    namespaces = parse_namespaces(output.section("ndctl"))
    if len(namespaces) != 1:
        raise InfrastructureError(f"ndctl succeeded with {len(namespaces)} namespaces")
    sysfs = parse_attributes(output.section("sysfs"))
    return {"outcome": "created", **namespace_values(namespaces[0], sysfs)}


def namespace_values(info: NamespaceInfo, sysfs: dict[str, str]) -> dict[str, Scalar]:
    """What there is to see of a namespace that ndctl prints.

    ``sysfs`` has its ``start``, the ``resource`` of what holds it, and its device's
    ``chardev_bytes``, or ``blockdev_sectors`` and ``block_bytes``.
    """
    values: dict[str, Scalar] = {
        "mode": info.mode,
        "size_bytes": info.size_bytes,
        **_device(info, sysfs),
    }
    if info.mode == "sector":
        values["sector_size"] = info.sector_size
    if info.mode in ("fsdax", "devdax"):
        values |= {"map": info.map, "align_bytes": info.align_bytes, **_placement(sysfs)}
    return values


def _device(info: NamespaceInfo, sysfs: dict[str, str]) -> dict[str, Scalar]:
    if info.chardev is not None:
        return {"device": "chardev", "device_bytes": read_integer(sysfs.get("chardev_bytes"))}
    if info.blockdev is not None:
        sectors = read_integer(sysfs.get("blockdev_sectors"))
        size = None if sectors is None else sectors * _SECTOR_BYTES
        block = read_integer(sysfs.get("block_bytes"))
        return {"device": "blockdev", "device_bytes": size, "block_bytes": block}
    return {"device": None, "device_bytes": None}


def _placement(sysfs: dict[str, str]) -> dict[str, Scalar]:
    """Where the data begins: behind the info block, and the struct pages with map=dev."""
    start, resource = read_integer(sysfs.get("start")), read_integer(sysfs.get("resource"))
    offset = None if start is None or resource is None else resource - start
    return {"resource": resource, "data_offset": offset}
