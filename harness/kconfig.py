"""Kernel configuration as text: fragments, how they merge, and what a .config says.

Pure: nothing here runs a kernel's own Kconfig. Why a symbol was refused is found out by
``harness/kernel/refusal.py``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from harness.errors import UserError

_SET = re.compile(r"CONFIG_(\w+)=(.*)")
_UNSET = re.compile(r"# CONFIG_(\w+) is not set")
_REPLACES = re.compile(r"# replaces CONFIG_(\w+)=(.*)")
_OPTIONAL = "# where the kernel has it"
_VALUE = re.compile(r'[ynm]|-?[0-9]+|0[xX][0-9a-fA-F]+|"(?:[^"\\]|\\.)*"')


@dataclass(frozen=True, slots=True)
class Request:
    """One symbol that a fragment asks for.

    ``symbol`` is without ``CONFIG_``; ``text`` is the value as written, quotes included;
    ``line`` is counted from 1; ``replaces`` is the value, as written, that another fragment
    may have asked for and this one takes back; an ``optional`` one need not take.
    """

    symbol: str
    text: str
    path: Path
    line: int
    replaces: str | None = None
    optional: bool = False

    @property
    def value(self) -> str:
        """The value without quotes; ``n`` is a symbol that must not be set."""
        return _unquote(self.text)

    @property
    def setting(self) -> str:
        """The request as a line of a .config."""
        if self.text == "n":
            return f"# CONFIG_{self.symbol} is not set"
        return f"CONFIG_{self.symbol}={self.text}"

    def takes_back(self, other: Request) -> bool:
        """Whether this one was written to stand in the other's place."""
        return self.replaces is not None and _unquote(self.replaces) == other.value

    @property
    def where(self) -> str:
        return f"{self.path}:{self.line}"


def parse_fragment(text: str, path: Path) -> tuple[Request, ...]:
    """Every request of a fragment, in order.

    A line is ``CONFIG_X=value``, ``# CONFIG_X is not set``, a comment or empty. One below
    ``# replaces CONFIG_X=value`` takes back what another fragment asks for, and one below
    ``# where the kernel has it`` is of some kernels alone. Raises UserError with file and line
    for anything else.
    """
    requests: list[Request] = []
    replaced: re.Match[str] | None = None
    optional = False
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        request = _parse_line(line, path, number)
        if replaced is not None:
            if request is None or request.symbol != replaced[1]:
                raise UserError(
                    f"what takes the place of CONFIG_{replaced[1]} must stand here",
                    path=path,
                    line=number,
                    hint=f"# CONFIG_{replaced[1]} is not set",
                )
            request = replace(request, replaces=replaced[2])
        if request is not None:
            requests.append(replace(request, optional=optional))
        optional = line == _OPTIONAL
        replaced = _REPLACES.fullmatch(line)
    return tuple(requests)


def _parse_line(line: str, path: Path, number: int) -> Request | None:
    if unset := _UNSET.fullmatch(line):
        return Request(unset[1], "n", path, number)
    if not line or line.startswith("#"):
        return None
    return _parse_setting(line, path, number)


def _parse_setting(line: str, path: Path, number: int) -> Request:
    setting = _SET.fullmatch(line)
    if setting is None:
        raise UserError(
            f"not a setting: {line!r}",
            path=path,
            line=number,
            hint="CONFIG_NAME=y, CONFIG_NAME=n, or a comment that starts with #",
        )
    if _VALUE.fullmatch(setting[2]) is None:
        raise UserError(
            f"CONFIG_{setting[1]} cannot have the value {setting[2]!r}",
            path=path,
            line=number,
            hint="y, n, a number, or text in double quotes; a comment has a line of its own",
        )
    return Request(setting[1], setting[2], path, number)


def merge(requests: Iterable[Request]) -> tuple[Request, ...]:
    """One request a symbol, in the order in which symbols first appear.

    Asking twice for the same is fine, and so is taking back what another asks for, in either
    order. Raises UserError where two requests disagree.
    """
    merged: dict[str, Request] = {}
    for request in requests:
        first = merged.setdefault(request.symbol, request)
        if request.takes_back(first):
            merged[request.symbol] = request
        elif first.value != request.value and not first.takes_back(request):
            raise UserError(
                f"CONFIG_{request.symbol}={request.text} disagrees with "
                f"CONFIG_{first.symbol}={first.text} at {first.where}",
                path=request.path,
                line=request.line,
                hint="leave one of the two fragments out, or take the other's request back: "
                f"# replaces CONFIG_{first.symbol}={first.text}",
            )
    return tuple(merged.values())


def render(requests: Iterable[Request]) -> str:
    """The requests as the kernel's ``KCONFIG_ALLCONFIG`` wants them."""
    return "".join(f"{request.setting}\n" for request in requests)


def parse_dotconfig(text: str) -> dict[str, str]:
    """Symbols of a .config without ``CONFIG_``, to values without quotes; unset ones missing."""
    found = (_SET.fullmatch(line) for line in text.splitlines())
    return {match[1]: _unquote(match[2]) for match in found if match is not None}


def missing(requests: Iterable[Request], dotconfig: Mapping[str, str]) -> tuple[Request, ...]:
    """The requests that a .config does not grant; a symbol that is not set has the value n."""
    return tuple(
        request
        for request in requests
        if not request.optional and dotconfig.get(request.symbol, "n") != request.value
    )


def _unquote(text: str) -> str:
    if len(text) >= 2 and text.startswith('"') and text.endswith('"'):
        return re.sub(r"\\(.)", r"\1", text[1:-1])
    return text
