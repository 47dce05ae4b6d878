"""The output of a step's script: sections behind marker lines, ``name=value`` lines within.

One round trip to a guest costs as much as all that a script reads there, so that a step is
one script, and what it prints is taken apart here.
"""

from __future__ import annotations

MARKER = "@@daxhound "


def split_sections(output: str) -> dict[str, str]:
    """Text by section name; what comes before the first marker has the name ``""``.

    A section that comes again goes on where it was left.
    """
    sections = {"": ""}
    name = ""
    for line in output.splitlines(keepends=True):
        if line.startswith(MARKER):
            name = line[len(MARKER) :].strip()
            sections.setdefault(name, "")
        else:
            sections[name] += line
    return sections


def parse_attributes(text: str) -> dict[str, str]:
    """``name=value`` lines; others are passed over, the last of a name counts."""
    pairs = (line.partition("=") for line in text.splitlines())
    return {name.strip(): value.strip() for name, equals, value in pairs if equals}


def read_integer(text: str | None) -> int | None:
    """A decimal or 0x number as sysfs prints it; None for nothing or no number."""
    if text is None:
        return None
    try:
        return int(text.strip(), 0)
    except ValueError:
        return None
