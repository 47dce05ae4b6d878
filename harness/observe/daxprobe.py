"""What daxprobe and its like print: a JSON object for each operation, in their order."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeAlias

from harness.errors import InfrastructureError
from harness.observe import errno_names
from harness.observe.signals import signal_name

Reply: TypeAlias = Mapping[str, int | str | bool]

# include/uapi/asm-generic/siginfo.h
_CODES: dict[int, dict[int, str]] = {
    signal.SIGBUS: {
        1: "BUS_ADRALN",
        2: "BUS_ADRERR",
        3: "BUS_OBJERR",
        4: "BUS_MCEERR_AR",
        5: "BUS_MCEERR_AO",
    },
    signal.SIGSEGV: {1: "SEGV_MAPERR", 2: "SEGV_ACCERR", 3: "SEGV_BNDERR", 4: "SEGV_PKUERR"},
}


class ProbeReplies:
    """The replies of one run; those of a child stand where it was forked."""

    def __init__(self, replies: tuple[Reply, ...]) -> None:
        self.all = replies

    def of(self, op: str) -> tuple[Reply, ...]:
        """Every reply of one operation."""
        return tuple(reply for reply in self.all if reply["op"] == op)

    def one(self, op: str, index: int = 0) -> Reply:
        """One of them. Raises InfrastructureError where the run did not come so far."""
        found = self.of(op)
        try:
            return found[index]
        except IndexError:
            message = f"the probe gave {len(found)} replies of {op}, none at {index}"
            raise InfrastructureError(message) from None

    def count(self, name: str, index: int = -1) -> Reply:
        """The counters taken under a name, by default for the last time."""
        found = [reply for reply in self.of("count") if reply["name"] == name]
        if not found:
            raise InfrastructureError(f"the probe counted no {name!r}")
        return found[index]

    def growth(self, name: str, before: Reply, after: Reply) -> int:
        """How far one counter went up between two counts."""
        return integer(after, name) - integer(before, name)


def parse_replies(text: str) -> ProbeReplies:
    """The replies in a program's output. Raises InfrastructureError for anything else."""
    return ProbeReplies(tuple(_replies(text)))


def _replies(text: str) -> Iterator[Reply]:
    for line in text.splitlines():
        if not line.strip():
            continue
        try:
            reply = json.loads(line)
        except ValueError as exc:
            raise InfrastructureError(f"the probe printed {line[:80]!r}") from exc
        if not isinstance(reply, dict) or "op" not in reply:
            raise InfrastructureError(f"the probe printed {line[:80]!r}")
        yield reply


def integer(reply: Reply, name: str) -> int:
    """A number that every reply of this kind has. Raises InfrastructureError."""
    value = reply.get(name)
    if not isinstance(value, int):
        raise InfrastructureError(f"the probe's {reply.get('op')} tells no {name}")
    return value


def errno_name(reply: Reply) -> str | None:
    """The errno of a refused call by name; None for one that succeeded."""
    number = integer(reply, "errno")
    return (errno_names.errno_name(number) or str(number)) if number else None


def first_errno(replies: Iterable[Reply]) -> str | None:
    """The errno by name of the first call that was refused; None where all succeeded."""
    return next((name for name in map(errno_name, replies) if name), None)


def signal_of(number: int) -> str | None:
    """A reply's signal by name; None for 0, which is none."""
    return signal_name(number) if number else None


def code_name(reply: Reply) -> str | None:
    """si_code of a reply's signal by name; None where there was no signal."""
    number = integer(reply, "signal")
    if not number:
        return None
    code = integer(reply, "code")
    return _CODES.get(number, {}).get(code, str(code))
