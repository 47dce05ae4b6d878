"""One run of daxprobe, or another program of its kind, in the guest, and its replies."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from harness.errors import InfrastructureError
from harness.guest.protocols import Shell
from harness.guest.steps.context import StepContext
from harness.guest.steps.places import locate
from harness.guest.steps.script import ScriptOutput, run_script, say_mark
from harness.observe.daxprobe import (
    ProbeReplies,
    Reply,
    code_name,
    integer,
    parse_replies,
    signal_of,
)
from harness.observe.messages import whole_messages
from harness.observe.sections import parse_attributes, read_integer
from harness.records import CommandRecord, Scalar
from harness.scenario.mapping_steps import MappingStep
from harness.scenario.step import DaxName

FORK, END = "fork '{'", "'}'"

_RUN = """\
echo 'daxhound: {kind}' >/dev/kmsg
{prepare}
mark probe
{program} {operations}
status=$?
{cleanup}
mark end
echo status=$status
[ $status -ne 127 ] || {{ echo '{program}: not found' >&2; exit 127; }}
"""
# Of daxprobe alone: what the kernel says meanwhile. Descriptor 5 is of its log.
_MESSAGES = f"follow:5 {{operations}} {say_mark('dmesg')} messages:5 5</dev/kmsg"
_SIGNAL_BASE = 128


@dataclass(frozen=True, slots=True)
class ProbeRun:
    """Replies, and what came with them.

    ``missing`` says that there was nothing to map. ``killed`` is the signal that ended
    the program or a child of it.
    """

    replies: ProbeReplies
    output: ScriptOutput
    missing: bool = False
    killed: str | None = None

    @property
    def record(self) -> CommandRecord:
        return self.output.record

    @property
    def messages(self) -> str:
        """What the kernel said meanwhile, where that was asked for.

        Raises InfrastructureError where some of it is lost.
        """
        return whole_messages(self.output.section("dmesg"))


def run_probe(
    kind: str,
    memory: Literal["anon", "shmem", "block", "devdax", "fsdax"],
    place: int | DaxName,
    operations: Iterable[str],
    shell: Shell,
    context: StepContext,
    *,
    program: str = "daxprobe",
    prepare: str = "",
    cleanup: str = "",
    messages: bool = False,
) -> ProbeRun:
    """Run a program's operations on the memory of a place, whose path is in $file.

    ``kind`` is the step's, ``prepare`` and ``cleanup`` shell text around. Raises
    InfrastructureError where the guest has no such program, where that lacks something, or
    where it was garbled.
    """
    match memory:
        case "anon" | "shmem":
            script = ""
        case _:
            script = locate(memory, place)
    words = " ".join(operations)
    script += _RUN.format(
        kind=kind,
        program=program,
        prepare=prepare,
        cleanup=cleanup,
        operations=_MESSAGES.format(operations=words) if messages else words,
    )
    output = run_script(shell, script, context.deadline())
    if "no-device" in output.sections:
        return ProbeRun(ProbeReplies(()), output, missing=True)
    status = read_integer(parse_attributes(output.section("end")).get("status"))
    said = output.record.stderr.strip()
    if status is None or 0 < status < _SIGNAL_BASE:
        raise InfrastructureError(f"{program} broke off: {said[-300:] or f'status {status}'}")
    replies = parse_replies(output.section("probe"))
    ends = [integer(join, "signal") for join in replies.of("join")]
    killed = next((end for end in [status & ~_SIGNAL_BASE, *ends] if end), 0)
    return ProbeRun(replies, output, killed=signal_of(killed))


def map_operation(step: MappingStep, *, writable: bool = True, op: str = "map") -> str:
    """The operation that makes the step's mapping, one of probe.h's; ``$file`` is its path."""
    sharing = "private" if step.memory == "anon" else step.sharing
    words = f"{op}:{sharing}:{'rw' if writable else 'r'}:{step.offset}:{step.size}"
    return words if step.memory == "anon" else f'{words}:"$file"'


def map_beside(size: int, sharing: str = "shared") -> list[str]:
    """The operations that map ``size`` bytes of ``$file``, with other memory in their PUD.

    For steps that are not about faults (defect.pud-fault-size).
    """
    return ["beside", f'map:{sharing}:rw:0:{size}:"$file"']


def advise(advice: str) -> list[str]:
    """The operation for a step's advice; nothing to do for ``none``."""
    return [] if advice == "none" else [f"advise:{advice}"]


def beside(step: MappingStep) -> list[str]:
    """The operation for other memory beside the step's mapping, where that is wished for."""
    return ["beside"] if step.beside else []


def signal_values(reply: Reply, prefix: str = "") -> dict[str, Scalar]:
    """A signal's name and code under the names that steps show."""
    return {
        f"{prefix}signal": signal_of(integer(reply, "signal")),
        f"{prefix}code": code_name(reply),
    }


def error_values(reply: Reply, prefix: str = "") -> dict[str, Scalar]:
    """The same of a memory error, with the address that it names and how exactly."""
    caught = bool(integer(reply, "signal"))
    return {
        **signal_values(reply, prefix),
        f"{prefix}address_offset": integer(reply, "offset") if caught else None,
        f"{prefix}address_lsb": integer(reply, "lsb") if caught else None,
    }
