"""Memory registered with soft RoCE, and what RDMA moves into it and out of it."""

from __future__ import annotations

from harness.guest.protocols import Shell
from harness.guest.steps.context import StepContext
from harness.guest.steps.huge_pages import RELEASE, reserve_huge_pages
from harness.guest.steps.probe import ProbeRun, advise, run_probe
from harness.observe.daxprobe import ProbeReplies, Reply, errno_name, integer
from harness.observe.sections import parse_attributes, read_integer
from harness.records import Observation, Scalar
from harness.scenario.rdma_steps import RdmaRegister

_KIB = 1 << 10
_NETDEV = "eth0"
# Set after the guest's shell is there (harness/image/init.c).
_ADDRESS = "10.0.2.15"
_PREPARE = f"""\
[ -d /sys/class/net/{_NETDEV} ] || lack 'the network device {_NETDEV}'
looks=0
until grep -q {_ADDRESS} /proc/net/fib_trie; do
    [ $looks -lt 500 ] || lack 'the address {_ADDRESS} on {_NETDEV}'
    looks=$((looks + 1)); usleep 10000
done
"""
# hash has one page size in each terabyte: at the fixed address that of rdmaprobe's buffer.
_MAP = {
    "anon": "map:private",
    "thp": "map:private",
    "hugetlb": "map-anywhere:huge",
    "devdax": "map:shared",
    "fsdax": "map:shared",
}
_ADVICE = {"anon": "nohuge", "thp": "huge"}


def register(step: RdmaRegister, shell: Shell, context: StepContext) -> Observation:
    """A memory region from registration to deregistration, unmapped in between."""
    huge = step.memory == "hugetlb"
    run = run_probe(
        step.kind,
        step.memory if step.memory in ("devdax", "fsdax") else "anon",
        step.region,
        _operations(step),
        shell,
        context,
        program="rdmaprobe",
        prepare=_PREPARE + (reserve_huge_pages(step.size) if huge else ""),
        cleanup=RELEASE if huge else "",
    )
    return Observation(step.kind, _values(step, run), (run.record,))


def _operations(step: RdmaRegister) -> list[str]:
    access = ("rw" if step.write else "r") + "p" * step.persistent
    first = 0 if step.moved is None else step.size - step.moved
    path = ':"$file"' if step.memory in ("devdax", "fsdax") else ""
    return [
        f"open:{_NETDEV}",
        "count:start",
        f"{_MAP[step.memory]}:rw:0:{step.size}{path}",
        *advise(_ADVICE.get(step.memory, "none")),
        *([] if step.write else [f"fill:{first}"]),
        f"register:{access}",
        "count:registered",
        *([f"write:{first}", f"compare:{first}"] if step.write else []),
        f"read:{first}",
        "unmap",
        "count:unmapped",
        f"read:{first}",
        "deregister",
        "count:end",
        "close",
    ]


def _values(step: RdmaRegister, run: ProbeRun) -> dict[str, Scalar]:
    if run.missing:
        return {"outcome": "no-device"}
    if run.killed is not None:
        return {"outcome": "killed", "signal": run.killed}
    replies = run.replies
    refused = errno_name(replies.one("map"))
    if refused is not None:
        return {"outcome": "mmap-refused", "errno": refused}
    asked = replies.one("register")
    refused = errno_name(asked)
    values: dict[str, Scalar] = {"outcome": "refused", "errno": refused}
    if refused is None:
        values = _registered(step, replies)
    if step.memory == "hugetlb":
        huge = parse_attributes(run.output.section("hugetlb")).get("huge_page_bytes")
        values["huge_page_bytes"] = read_integer(huge)
    return values | _held(replies, "end", "_left")


def _registered(step: RdmaRegister, replies: ProbeReplies) -> dict[str, Scalar]:
    mapped, unmapped = replies.of("read")
    moves = [*replies.of("write"), *replies.of("compare"), mapped]
    completions = [_status(move) for move in (*moves, unmapped) if "status" in move]
    values: dict[str, Scalar] = {
        "outcome": "registered",
        **_held(replies, "registered", ""),
        "completion": next((status for status in completions if status != "success"), "success"),
        "intact_bytes": min(integer(move, "bytes") for move in moves),
        "pinned_pages_unmapped": _held(replies, "unmapped", "")["pinned_pages"],
        "intact_bytes_unmapped": integer(unmapped, "bytes"),
        "register_us": integer(replies.one("register"), "us"),
        "deregister_us": integer(replies.one("deregister"), "us"),
    }
    if step.memory == "thp":
        start, registered = replies.count("start"), replies.count("registered")
        values["thp_faults"] = replies.growth("thp_fault_alloc", start, registered)
    return values


def _status(move: Reply) -> str:
    return str(move["status"])


def _held(replies: ProbeReplies, when: str, suffix: str) -> dict[str, Scalar]:
    """What is pinned more than at the start: by the kernel's counters, and the process'."""
    start, now = replies.count("start"), replies.count(when)
    acquired = replies.growth("nr_foll_pin_acquired", start, now)
    released = replies.growth("nr_foll_pin_released", start, now)
    return {
        f"pinned_pages{suffix}": acquired - released,
        f"pinned_vm_bytes{suffix}": replies.growth("VmPin_kB", start, now) * _KIB,
    }
