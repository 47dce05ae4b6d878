"""Memory taken away from a process that writes to it, has it mapped, or holds pages of it."""

from __future__ import annotations

from harness.errors import InfrastructureError
from harness.guest.protocols import Shell
from harness.guest.steps.context import StepContext
from harness.guest.steps.places import locate
from harness.guest.steps.probe import map_beside, signal_values
from harness.guest.steps.script import ScriptOutput, run_script
from harness.observe.daxprobe import ProbeReplies, first_errno, integer, parse_replies
from harness.observe.ndctl import parse_refusal
from harness.observe.sections import parse_attributes, read_integer
from harness.records import Observation, Scalar
from harness.scenario.life_steps import TakeAway

# Where a task stands that waits for the pages of a DAX file (/proc/PID/wchan: the first
# function that is no scheduler's). It may be inlined into its caller. Unbinding a device passes
# memunmap_pages, where it waits for a grace period of RCU whoever holds a page: of that only
# the end tells.
_WAITS = (
    "ext4_wait_dax_page",
    "ext4_break_layouts",
    "xfs_wait_dax_page",
    "xfs_break_dax_layouts",
    "dax_break_layout",
    "wait_page_idle",
)

# 9 is held open, so that neither side waits for the other to open the pipe.
_TAKE_AWAY = """\
region {region} || lack 'no region {region}'
{locate}
hold=/run/daxhound-hold
rm -f $hold; mkfifo $hold && exec 9<>$hold || lack 'a named pipe'
ended() {{
    stat=; read -r stat </proc/$1/stat || return 0
    stat=${{stat##*) }}; [ "${{stat%% *}}" = Z ]
}} 2>/dev/null
daxprobe {operations} <$hold >$hold.said 2>$hold.errors 9<&- &
holder=$!
until grep -qs pause $hold.said; do
    ended $holder && {{ cat $hold.errors >&2; lack 'a process that uses it'; }}
    usleep 20000
done
before=$(stat -c %s "$file")
{take} >$hold.taken 2>&1 9<&- &
taker=$!
looks=0 waits=
until ended $taker || [ -n "$waits" ] || [ $looks -ge {looks} ]; do
    at=; read -r at </proc/$taker/wchan 2>/dev/null
    case $at in {waits}) waits=$at ;; esac
    looks=$((looks + 1))
    usleep 20000
done
ended $taker || [ "${{at:-0}}" = 0 ] || waits=${{waits:-$at}}
echo >&9
wait $taker; status=$?
[ $status -eq 0 ] || {{ {spare}; }}
until [ "$(grep -c pause $hold.said)" -ge 2 ]; do
    ended $holder && break
    usleep 20000
done
echo >&9
wait $holder
mark holder; cat $hold.said
mark taken; echo status=$status; echo waits=$waits
mark said; cat $hold.taken
mark restored
{restore}
rm -f $hold $hold.*
"""

_RESTORE_NAMESPACE = """\
ndctl enable-namespace --region=$region all >&2
json=$(ndctl list --namespaces --region=$region)
device=${json#*\\"$kind\\":\\"}; device=${device%%\\"*}
echo $device >/run/daxhound-$region_index.$kind
if [ -c /dev/$device ]; then
    show /sys/bus/dax/devices/$device/size bytes
elif [ -b /dev/$device ]; then
    show /sys/block/$device/size sectors
fi
"""
_RESTORE_FILE = """\
[ "$(stat -c %s "$file")" = $before ] || truncate -s $before "$file"
stat -c bytes=%s "$file"
"""

# So long one is watched that neither ends nor waits where it is known to, of a step's time.
_WATCHED = 0.1
_LOOK_SECONDS = 0.02
_SECTOR_BYTES = 512  # the unit of /sys/block/*/size


def take_away(step: TakeAway, shell: Shell, context: StepContext) -> Observation:
    """Who waited for whom, and what the process found afterwards."""
    script = _TAKE_AWAY.format(
        region=step.region,
        locate=locate(step.memory, step.region),
        operations=" ".join(_operations(step, context.page_size)),
        take=_taking(step),
        waits="|".join(_WAITS),
        looks=round(context.step_deadline_seconds * _WATCHED / _LOOK_SECONDS),
        restore=_restoring(step),
        # Who writes on and on must not be waited for where nothing was taken away.
        spare="kill $holder" if step.memory == "block" else ":",
    )
    output = run_script(shell, script, context.deadline())
    values = _values(step, output, context.page_size)
    return Observation(step.kind, values, (output.record,))


def _operations(step: TakeAway, page: int) -> list[str]:
    if step.memory == "block":
        return [f'write-on:{step.size}:"$file"']
    hold = [f"hold:0:{page}"] if step.hold else []
    return [
        *map_beside(step.size),
        f"touch:write:0:{step.size}:{page}",
        *hold,
        "pause",
        *(["release"] if step.hold else []),
        "pause",
        f"touch:read:0:{page}:{page}",
        "unmap",
    ]


def _taking(step: TakeAway) -> str:
    if step.via == "truncate":
        return 'truncate -s 0 "$file"'
    return "ndctl disable-namespace --region=$region all"


def _restoring(step: TakeAway) -> str:
    if step.memory == "fsdax":
        return _RESTORE_FILE
    kind = "chardev" if step.memory == "devdax" else "blockdev"
    script = _RESTORE_NAMESPACE.replace("$kind", kind)
    return script.replace("$region_index", f"region{step.region}")


def _values(step: TakeAway, output: ScriptOutput, page: int) -> dict[str, Scalar]:
    if "no-device" in output.sections:
        return {"outcome": "no-device"}
    taken = parse_attributes(output.section("taken"))
    status = read_integer(taken.get("status"))
    if status is None:
        raise InfrastructureError(f"the step broke off: {output.record.stderr.strip()[-300:]}")
    replies = parse_replies(output.section("holder"))
    unmapped = first_errno(replies.of("map"))
    if unmapped is not None:
        return {"outcome": "mmap-refused", "errno": unmapped}
    values: dict[str, Scalar] = {"outcome": "taken"}
    if status != 0:
        refusal = parse_refusal(output.section("said"), status)
        values = {"outcome": "refused", "errno": refusal.errno, "message": refusal.message}
    values["restored_bytes"] = _restored(parse_attributes(output.section("restored")))
    if step.memory == "block":
        # Of one that had to be ended, since nothing was taken away, there is no reply.
        return values | {"write_failed": first_errno(replies.of("write-on")) is not None}
    return values | {
        "held_pages": _held(replies) // page,
        "waited": bool(taken.get("waits")),
        **signal_values(replies.one("touch", 1)),
    }


def _restored(found: dict[str, str]) -> int | None:
    sectors = read_integer(found.get("sectors"))
    return read_integer(found.get("bytes")) if sectors is None else sectors * _SECTOR_BYTES


def _held(replies: ProbeReplies) -> int:
    return sum(integer(hold, "held_bytes") for hold in replies.of("hold"))
