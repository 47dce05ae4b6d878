"""One row of the table of reports: how a complaint is known, and what it is called."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from harness.observe.frames import plain_name

Severity = Literal["fatal", "error", "warning"]
RANK: dict[Severity, int] = {"warning": 0, "error": 1, "fatal": 2}

_ADDRESS = re.compile(r"\b(?:0x)?[0-9a-f]{12,16}\b|(?<= at )0x[0-9a-f]+")
_TRACE_END = re.compile(r"---\[ end (?:trace|Kernel panic)|^={20,}$")


@dataclass(frozen=True, slots=True)
class ReportClass:
    """One kind of complaint.

    ``title`` is filled with the marker's groups; a located one gets the function as well.
    ``patience`` is how many lines in a row may say nothing that belongs to a report until
    it counts as ended; 0 is a report of one line. ``joins_within`` is how many lines after
    an earlier marker this one is still the same report. ``end`` ends it at once.
    """

    kind: str
    title: str
    severity: Severity
    marker: re.Pattern[str]
    patience: int = 30
    joins_within: int = 0
    located: bool = True
    end: re.Pattern[str] = _TRACE_END

    def render(self, match: re.Match[str], function: str | None) -> str:
        """The title, without any address; ``function`` is the one at fault, if known."""
        groups = {name: _without_addresses(text) for name, text in match.groupdict().items()}
        title = self.title.format_map(groups)
        return f"{title} in {function}" if self.located and function else title

    def named_function(self, match: re.Match[str]) -> str | None:
        """The function that the marker's own line names."""
        function = match.groupdict().get("function")
        return plain_name(function) if function else None


def _without_addresses(text: str | None) -> str:
    return " ".join(_ADDRESS.sub("", text or "").split())
