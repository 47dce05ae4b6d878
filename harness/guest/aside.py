"""A guest asked over its other line: is it only its shell that fell silent, or the guest?

The shell behind the port "aside" is free while steps run. What it is asked is made of the
shell's built-ins alone, so that it answers where nothing can be started any more.
"""

from __future__ import annotations

import secrets
import select
import socket
from dataclasses import dataclass
from pathlib import Path

from harness.deadline import Deadline
from harness.guest.console import Console

_SLICE_SECONDS = 0.25
_READ_BYTES = 4096
_LIMIT_BYTES = 64 << 10

# What runs below the steps' shell, a child of init or of dropbear's, and that shell or dropbear
# where one cannot be interrupted. Each process is read once, by a shell that takes a byte at a
# time; kernel threads are kthreadd's, 2. PPid comes after State (fs/proc/array.c, task_state).
# Where it waits is a function's name, or 0 where it does not (fs/proc/base.c, proc_pid_wchan).
_QUESTION = """
processes=
for status in /proc/[0-9]*/status; do
    parent=0
    while read -r key value more; do
        case $key in
        Name:) name=$value ;; State:) state=$value ;; PPid:) parent=$value; break ;;
        esac
    done <$status
    [ "$parent" -gt 2 ] || [ "$parent" -eq 1 ] || continue
    pid=${status#/proc/}; pid=${pid%/status}
    eval "name_$pid=\\$name parent_$pid=\\$parent"
    processes="$processes $pid/$state"
done 2>/dev/null
for process in $processes; do
    pid=${process%/*} state=${process#*/} top=${process%/*}
    while eval "above=\\$parent_$top" && [ "${above:-1}" != 1 ]; do
        eval "[ \"\\$name_$above\" != dropbear ]" || break
        top=$above
    done
    eval "name=\\$name_$pid top_name=\\$name_$top"
    case $top_name/$state in
    sh/* | dropbear/D) [ $top != $pid ] || [ $state = D ] || continue ;;
    *) continue ;;
    esac
    at=; read -r at </proc/$pid/wchan
    [ "$at" != 0 ] || at=
    echo "busy: $name ($state${at:+ in $at})"
done
echo dax''hound-{mark}-aside
"""


@dataclass(frozen=True, slots=True)
class Aside:
    """What the other line said: whether at all, and which of the steps' commands still run."""

    answered: bool
    busy: tuple[str, ...] = ()


def ask_aside(socket_path: Path, console: Console, deadline: Deadline) -> Aside:
    """Ask the shell behind a unix socket; raises nothing, whatever is wrong with it."""
    mark = secrets.token_hex(8)
    try:
        with socket.socket(socket.AF_UNIX) as line:
            line.connect(str(socket_path))
            line.sendall(_QUESTION.replace("{mark}", mark).encode())
            said = _listen(line, f"daxhound-{mark}-aside".encode(), console, deadline)
    except OSError:
        return Aside(False)
    if said is None:
        return Aside(False)
    lines = said.decode(errors="replace").splitlines()
    return Aside(True, tuple(line for line in lines if line.startswith("busy: ")))


def _listen(line: socket.socket, end: bytes, console: Console, deadline: Deadline) -> bytes | None:
    """What comes up to ``end``; None where it does not come."""
    said = bytearray()
    poll = select.poll()
    poll.register(line, select.POLLIN)
    poll.register(console.fileno(), select.POLLIN)
    while not deadline.expired and len(said) < _LIMIT_BYTES:
        ready = dict(poll.poll(min(_SLICE_SECONDS, deadline.remaining) * 1000))
        console.pump()
        if line.fileno() in ready:
            data = line.recv(_READ_BYTES)
            if not data:
                return None
            said += data
            if end in said:
                return bytes(said)
    return None
