"""run.json as a document: what is believed of it, and what is said of one that is no such thing.

Fields that are not known here are kept as they are: they are a later daxhound's to read.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import pydantic

from harness.errors import UserError
from harness.mistakes import explain
from harness.records import Difference, Fulfilment, TimeRatio, Verdict, Word
from harness.report.results import RUN_FILE, SCHEMA, STEPS_FILE
from harness.report.run_file import complete


class _Entry(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow", frozen=True, allow_inf_nan=False)


class Base(_Entry):
    """What the cell came to on the kernel before; ``patch`` 0 is that without the series."""

    patch: int = 0
    verdict: Verdict
    reason: str = ""


class ComparisonEntry(_Entry):
    """A cell held against the same cell with fewer patches, ``base.patch`` of them."""

    word: Word
    base: Base | None = None
    patch: int | None = None
    patch_subject: str | None = None
    differences: tuple[Difference, ...] = ()
    times: tuple[TimeRatio, ...] = ()
    intended: tuple[Fulfilment, ...] = ()
    lost: tuple[str, ...] = ()
    defects_new: tuple[str, ...] = ()
    defects_gone: tuple[str, ...] = ()


class PatchEntry(_Entry):
    """How far into the series a cell's kernel was; ``position`` 0 is the base."""

    position: int = pydantic.Field(ge=0)
    subject: str = ""


class ReportDetails(_Entry):
    """A kernel report's place in console.log; lines are counted from 1, both included."""

    kind: str = ""
    severity: Literal["fatal", "error", "warning"] = "error"
    function: str | None = None
    first_line: int = pydantic.Field(default=1, ge=1)
    last_line: int = pydantic.Field(default=1, ge=1)
    fingerprint: str = ""


class DefectEntry(_Entry):
    """A fault of the kernel that the model knew of, and that the cell showed as predicted."""

    rule: str
    statement: str = ""


class CellEntry(_Entry):
    """One cell of run.json; times are seconds."""

    id: str = pydantic.Field(min_length=1)
    scenario: str
    target: str
    kernel: str
    revision: str = ""
    config: tuple[str, ...] = ()
    verdict: Verdict
    reason: str = ""
    seconds: float = pydantic.Field(default=0.0, ge=0, allow_inf_nan=False)
    guest_seconds: float = pydantic.Field(default=0.0, ge=0, allow_inf_nan=False)
    compared: int = pydantic.Field(default=0, ge=0)
    rules: tuple[str, ...] = ()
    known_defects: tuple[DefectEntry, ...] = ()
    patch: PatchEntry | None = None
    comparison: ComparisonEntry | None = None
    phase: str = ""
    note: str = ""
    idle: str = ""
    report: str | None = None
    report_details: ReportDetails | None = None
    retried: bool = False
    cells_before: int = pydantic.Field(default=0, ge=0)
    folder: str
    file: str | None = None
    line: int | None = None
    reproduce: str | None = None
    kernel_spec: str | None = None

    @pydantic.field_validator("folder")
    @classmethod
    def _inside(cls, folder: str) -> str:
        if folder in ("", ".", "..") or "/" in folder or "\0" in folder:
            raise ValueError("a folder's name, not a path")
        return folder


class Patch(_Entry):
    """One patch of a series; ``position`` is counted from 1."""

    position: int
    subject: str = ""
    sha256: str | None = None


class Series(_Entry):
    """The series that was tested, in order."""

    name: str = ""
    patches: tuple[Patch, ...] = ()


class Part(_Entry):
    """One of ``total`` shards of all cells on a kernel, ``index`` counted from 1."""

    kernel: str
    config: tuple[str, ...] = ()
    index: int = pydantic.Field(ge=1, le=9999)
    total: int = pydantic.Field(ge=1, le=9999)

    @property
    def name(self) -> str:
        return f"shard {self.index}/{self.total} on {' with '.join((self.kernel, *self.config))}"

    @property
    def whole(self) -> tuple[Part, ...]:
        """All that it is one of."""
        each = range(1, self.total + 1)
        return tuple(self.model_copy(update={"index": index}) for index in each)


class RunDocument(_Entry):
    """run.json; ``chosen`` is how many cells the run was to have, where that was known.

    ``shard`` is which part of a whole it is, such as ``2/4``; ``parts`` are those that were merged.
    """

    schema_number: Literal[1] = pydantic.Field(alias="schema")
    kernel: str
    series: Series | None = None
    started: str | None = None
    finished: str | None = None
    chosen: int | None = None
    config: tuple[str, ...] = ()
    shard: str | None = pydantic.Field(default=None, pattern=r"^[1-9]\d{0,3}/[1-9]\d{0,3}$")
    parts: tuple[Part, ...] = ()
    cells: tuple[CellEntry, ...]

    @property
    def ended_early(self) -> bool:
        """Whether the run was killed or interrupted, or lacks cells that were chosen."""
        killed = "finished" in self.model_fields_set and self.finished is None
        return killed or (self.chosen or 0) > len(self.cells)

    @property
    def lacks(self) -> tuple[str, ...]:
        """Shards that are not there, though others of the same whole are."""
        wanted = dict.fromkeys(one.name for part in self.parts for one in part.whole)
        there = {part.name for part in self.parts}
        return tuple(name for name in wanted if name not in there)

    @property
    def incomplete(self) -> bool:
        """Whether there were to be more cells."""
        return self.ended_early or bool(self.lacks)

    @property
    def own_parts(self) -> tuple[Part, ...]:
        """What it is a part of a whole of, where it is one."""
        if self.shard is None:
            return self.parts
        index, total = map(int, self.shard.split("/"))
        return (Part(kernel=self.kernel, config=self.config, index=index, total=total),)

    @pydantic.field_validator("series", mode="before")
    @classmethod
    def _named(cls, series: Any) -> Any:
        return {"name": series} if isinstance(series, str) else series


def read_document(directory: Path) -> RunDocument:
    """run.json of a results folder. Raises UserError with the file and the field."""
    path = directory / RUN_FILE
    try:
        data = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError) as exc:
        raise _no_run(directory) from exc
    except OSError as exc:
        raise UserError(f"cannot be read: {exc.strerror}", path=path) from exc
    except json.JSONDecodeError as exc:
        raise _no_json(path, exc) from exc
    except (ValueError, RecursionError) as exc:  # no text, too deep, a number too long
        raise UserError(f"not JSON: {exc}", path=path) from exc
    return _validate(path, _completed(directory, path, data))


def _no_run(directory: Path) -> UserError:
    hint = "the folder that pytest --results named, or one of results/"
    if not directory.exists():
        return UserError("no such folder", path=directory, hint=hint)
    whole = next((path for path in directory.absolute().parents[:2] if _is_run(path)), None)
    if whole is not None:
        return UserError("is a part of a run", path=directory, hint=str(whole))
    begun = sorted(directory.glob(f"*/{STEPS_FILE}"))
    if begun:
        what = "no cell had finished when this run was ended: there is no run.json"
        return UserError(what, path=directory, hint=f"the files of a cell: {begun[0].parent}")
    return UserError("no results folder: there is no run.json in it", path=directory, hint=hint)


def _is_run(directory: Path) -> bool:
    return (directory / RUN_FILE).is_file()


def _completed(directory: Path, path: Path, data: Any) -> Any:
    """With the cells that run.json of a killed run had not come to."""
    try:
        return complete(directory, data)
    except (KeyError, TypeError, ValueError, OSError) as exc:
        raise UserError("its cells cannot be read", path=path, field="cells") from exc


def _no_json(path: Path, exc: json.JSONDecodeError) -> UserError:
    # A string that is begun and not ended takes in all that follows.
    is_cut = exc.pos >= len(exc.doc.rstrip()) or exc.msg.startswith("Unterminated")
    if is_cut:
        message = "cut short: the end of it is missing"
        return UserError(message, path=path, line=exc.lineno, hint="a whole copy of it")
    message = f"not JSON: {exc.msg}, at column {exc.colno}"
    return UserError(message, path=path, line=exc.lineno, hint="a copy that nobody has edited")


def _validate(path: Path, data: Any) -> RunDocument:
    if not isinstance(data, dict) or "schema" not in data:
        hint = "the run.json of a folder that pytest --results named, or of one of results/"
        raise UserError("no results of daxhound: it names no schema", path=path, hint=hint)
    if data["schema"] != SCHEMA:
        raise UserError(
            f"schema {data['schema']!r} is not known here",
            path=path,
            field="schema",
            hint=f"the daxhound that wrote it (this one reads schema {SCHEMA})",
        )
    try:
        return RunDocument.model_validate(data)
    except pydantic.ValidationError as exc:
        first = exc.errors(include_url=False)[0]
        field = ".".join(map(str, first["loc"])) or None
        mistake = explain(first)
        raise UserError(mistake.message, path=path, field=field, hint=mistake.hint) from exc
