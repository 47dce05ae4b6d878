"""Sizes and addresses of a layout, read so that a refusal points at their line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from harness.errors import BadValue
from harness.scenario.schema import Template
from harness.units import align_down, align_up, format_size, parse_size
from harness.yaml_document import Document, Location

Resolve: TypeAlias = Callable[[Template, Location], Template]
"""Puts parameters, and the target's own sizes, in the place of their names."""


@dataclass(frozen=True, slots=True)
class LayoutReader:
    """The document that fields come from, so that every refusal can point at its line."""

    document: Document
    resolve: Resolve

    def size(self, value: Template, at: Location) -> int:
        resolved = self.resolve(value, at)
        try:
            return parse_size(resolved)
        except BadValue as exc:
            raise self.document.error(at, str(exc), exc.hint) from exc

    def multiple(self, value: Template, granule: int, why: str, at: Location) -> int:
        size = self.size(value, at)
        if size > 0 and size % granule == 0:
            return size
        near = max(granule, align_down(size, granule))
        above = align_up(size, granule)
        hint = (
            format_size(near) if near == above else f"{format_size(near)} or {format_size(above)}"
        )
        given = format_size(size)
        raise self.document.error(at, f"{given} is not a multiple of {why}", hint or None)
