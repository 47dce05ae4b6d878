"""What a series is meant to change, as its author says: a small YAML file beside it."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Literal

import pydantic

from harness.errors import nearest
from harness.records import Direction, Intention, Scalar
from harness.series.patch import Series
from harness.shipped import typed
from harness.yaml_document import Document, Record, load_documents

SUFFIX = ".expect.yaml"


class _Entry(Record):
    patch: Annotated[int, pydantic.Field(ge=1)] = 1
    scenario: str = "*"
    targets: Literal["all"] | tuple[str, ...] = "all"
    step: str
    value: str
    becomes: Direction | Scalar
    because: str


class _File(Record):
    intended: tuple[_Entry, ...]


def load_intentions(
    series: Series, steps: Collection[str], named: Path | None = None
) -> tuple[Intention, ...]:
    """The file that is named, or else the one beside the series; none where there is none.

    ``v7.mbox``, packed or not, has ``v7.expect.yaml``, a folder has ``expect.yaml`` inside.
    ``steps`` are the kinds of steps that there are. Raises UserError with file and line.
    """
    path = named or _beside(typed(series.source))
    if named is None and not _is_file(path):
        return ()
    (document, *_) = load_documents(path) or [Document(path, {}, {})]
    entries = document.read(_File).intended
    for number, entry in enumerate(entries):
        if entry.patch > len(series.patches):
            raise document.error(
                ("intended", number, "patch"),
                f"the series has {len(series.patches)} patches",
                f"1 to {len(series.patches)}",
            )
        if entry.step not in steps:
            at = ("intended", number, "step")
            raise document.error(at, f"no such step: {entry.step!r}", nearest(entry.step, steps))
    return tuple(
        _intention(entry, f"{path}:{document.line(('intended', number))}")
        for number, entry in enumerate(entries)
    )


def _intention(entry: _Entry, where: str) -> Intention:
    return Intention(
        position=entry.patch,
        scenario=entry.scenario,
        targets=None if entry.targets == "all" else tuple(entry.targets),
        step=entry.step,
        value=entry.value,
        becomes=entry.becomes,
        because=entry.because,
        where=where,
    )


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # the series has a name that is as long as names can be
        return False


def _beside(source: Path) -> Path:
    if source.is_dir():
        return source / SUFFIX.removeprefix(".")
    unpacked = source.with_suffix("") if source.suffix == ".gz" else source
    return unpacked.with_suffix(SUFFIX)
