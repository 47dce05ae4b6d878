"""Scripts for the guest's busybox sh: one for a step, because every round trip costs.

A process costs 5 to 20 ms under emulation, so files are read with shell built-ins where
they are short. Whatever the harness itself lacks in a guest ends a script with its own
exit status, and is never taken for the kernel's doing.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

from harness.deadline import Deadline
from harness.errors import InfrastructureError
from harness.guest.protocols import Shell
from harness.observe.sections import MARKER, split_sections
from harness.records import CommandRecord

_LACKING = 96
_NOT_FOUND = 127
_PROBE_FAILED = 2
_PROBE = re.compile(r"^daxprobe: .*", re.MULTILINE)
# What stands in for a library that nothing was to call (harness/image/stand_in.py).
_STOOD_IN_FOR = re.compile(r"^(\S+) is not in the guest \(daxhound_stand_in\)$", re.MULTILINE)
_TOOL = re.compile(r"(\S+): not found|(\S+): Permission denied")

_FUNCTIONS = f"""\
mark() {{ printf '\\n{MARKER}%s\\n' "$1"; }}
lack() {{ echo "$1" >&2; exit {_LACKING}; }}
# show FILE NAME: the file's first line as NAME=value, nothing where it cannot be read
show() {{
    value=; [ ! -r "$1" ] || read -r value <"$1"
    [ -z "$value" ] || echo "$2=$value"
}} 2>/dev/null
"""

# Regions count by ascending address, whatever order the kernel found them in.
_REGION = """\
nd=/sys/bus/nd/devices
# region INDEX: its name in $region; fails where there is none
region() {
    for path in $nd/region*; do
        [ -r "$path/resource" ] && read -r start <"$path/resource" || continue
        lower=0
        for other in $nd/region*; do
            [ -r "$other/resource" ] && read -r begin <"$other/resource" || continue
            [ $((begin)) -ge $((start)) ] || lower=$((lower + 1))
        done
        [ $lower -ne "$1" ] || { region=${path##*/}; return 0; }
    done
    return 1
} 2>/dev/null
# device KIND INDEX: name of the region's chardev or blockdev that was made last
device() {
    device=
    [ ! -r "/run/daxhound-region$2.$1" ] || read -r device <"/run/daxhound-region$2.$1"
    [ -n "$device" ]
}
"""


@dataclass(frozen=True, slots=True)
class ScriptOutput:
    """What a script printed, by section, and the record of its run."""

    sections: dict[str, str]
    record: CommandRecord

    def section(self, name: str) -> str:
        """A section's text, empty where the script did not come so far."""
        return self.sections.get(name, "")


def quote(word: object) -> str:
    """A word as sh reads it back unchanged."""
    return shlex.quote(str(word))


def say_mark(section: str) -> str:
    """The operation by which daxprobe begins a section, as ``mark`` does."""
    return f"'say:{MARKER}{section}'"


def run_script(shell: Shell, body: str, deadline: Deadline) -> ScriptOutput:
    """Run a script with the functions above; its status is in the record.

    Raises InfrastructureError for a tool or a kernel file that the guest's image or
    configuration lacks, and what ``Shell.run`` raises.
    """
    record = shell.run(_FUNCTIONS + _REGION + body, deadline)
    if record.status == _LACKING:
        raise InfrastructureError(f"the guest lacks something: {record.stderr.strip()}")
    # What it runs for others ends with their status, and speaks for itself.
    failed = _PROBE.search(record.stderr)
    if record.status == _PROBE_FAILED and failed:
        raise InfrastructureError(failed[0])
    if called := _STOOD_IN_FOR.search(record.stderr):
        raise InfrastructureError(
            f"a program calls {called[1]}, which the image has no library for"
        )
    missing = _TOOL.search(record.stderr)
    if record.status == _NOT_FOUND and missing:
        name = missing[1] or missing[2]
        raise InfrastructureError(f"tool missing in the guest's image: {name}")
    return ScriptOutput(split_sections(record.stdout), record)
