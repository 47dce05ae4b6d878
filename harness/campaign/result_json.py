"""A cell's result as bytes, complete: for the store, and for another machine."""

from __future__ import annotations

import pydantic

from harness.records import CellResult

_RESULT = pydantic.TypeAdapter(CellResult)


def dump_result(result: CellResult) -> bytes:
    """What :func:`load_result` reads."""
    return _RESULT.dump_json(result, fallback=dict, warnings=False)


def load_result(data: bytes) -> CellResult:
    """The same result. Raises ValueError for what is none."""
    return _RESULT.validate_json(data)
