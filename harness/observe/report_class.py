"""One row of the table of reports: how a complaint is known, and what it is called."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from harness.observe.frames import plain_name
from harness.observe.locate import Choose, Where, at_fault, find_function, first
from harness.observe.stack import Mark

Severity = Literal["fatal", "error", "warning"]
RANK: dict[Severity, int] = {"warning": 0, "error": 1, "fatal": 2}

_ADDRESS = re.compile(r"\b(?:0x)?[0-9a-f]{12,16}\b|(?<= at )0x[0-9a-f]+")
_TRACE_END = re.compile(r"---\[ end (?:trace|Kernel panic)|^={20,}$")


@dataclass(frozen=True, slots=True)
class ReportClass:
    """One kind of complaint.

    ``title`` is filled with the groups of the marker, and of ``detail``, which is looked
    for in the lines that follow; a located one gets the function as well. ``where``,
    ``choose`` and ``skip`` find that function. ``patience`` is how many lines in a row may
    say nothing that belongs to a report until it counts as ended; 0 is a report of one
    line. ``joins_within`` is how many lines after an earlier marker this one is still the
    same report. ``end`` ends it at once. A ``timed`` row needs a line with printk's time:
    its words are a program's as well. One that ``explains`` another kind says better what it
    is: the message of a WARNING, before its line (to 6.18) or behind it. One that ``replaces``
    lists what earlier reports of its kind only counted.
    """

    kind: str
    title: str
    severity: Severity
    marker: re.Pattern[str]
    patience: int = 30
    joins_within: int = 0
    located: bool = True
    end: re.Pattern[str] = _TRACE_END
    where: Where = at_fault
    choose: Choose = first
    skip: re.Pattern[str] | None = None
    detail: re.Pattern[str] | None = None
    timed: bool = False
    explains: str = ""
    replaces: bool = False

    @property
    def caught_anywhere(self) -> bool:
        """Whether the frames above the function at fault are other ones in every run."""
        return self.choose is not first

    @property
    def told_by_title(self) -> bool:
        """Whether its stacks are chance: who asked for the last page, which of a race came first.

        Of a panic without another report its stack is what tells.
        """
        return not self.located and self.severity != "fatal"

    def render(self, groups: Mapping[str, str | None], function: str | None) -> str:
        """The title, without any address; ``function`` is the one at fault, if known."""
        words = {name: _without_addresses(text) for name, text in groups.items()}
        title = " ".join(self.title.format_map(_Blank(words)).split())
        return f"{title} in {function}" if self.located and function else title

    def function(self, groups: Mapping[str, str | None], marks: list[Mark]) -> str | None:
        """The function at fault, by what the marker and the lines after it name."""
        named = groups.get("function")
        candidates = self.where(plain_name(named) if named else None, marks)
        return find_function(candidates, self.choose, self.skip)


class _Blank(dict[str, str]):
    """Words of a title; what no line has given is left out."""

    def __missing__(self, key: str) -> str:
        return ""


def _without_addresses(text: str | None) -> str:
    return " ".join(_ADDRESS.sub("", text or "").split())
