"""YAML files read with the line of every field, so that an error can point at it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import pydantic
import yaml

from harness.errors import UserError, nearest
from harness.mistakes import clearest, explain, explain_missing, explain_syntax

Location: TypeAlias = tuple[str | int, ...]
Model = TypeVar("Model", bound=pydantic.BaseModel)

# libyaml's parser where PyYAML was built with it: every scenario is read at each start.
_PARSER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

# Far more than any file has. An alias may stand for what it is part of, and a few dozen of them for
# more values than there is memory.
_DEEPEST = 32
_MOST_VALUES = 100_000
_QUOTED = 80
_OF_FIELDS = ("extra_forbidden", "missing")
_YAML_TAGS = "tag:yaml.org,2002:"


class _Loader(_PARSER):  # type: ignore[misc]
    """Tells the tag of a plain word once: half of a parser's time, and scenarios share words."""

    @staticmethod
    @lru_cache(maxsize=1 << 14)
    def resolve(kind: type[yaml.Node], value: str | None, implicit: Any) -> str:
        return str(_TAGS.resolve(kind, value, implicit))


_TAGS: Any = yaml.resolver.Resolver()


class Record(pydantic.BaseModel):
    """Base of everything read from YAML: frozen, and an unknown key is an error."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, defer_build=True)


@dataclass(frozen=True, slots=True)
class Document:
    """One YAML document: plain data, and the line that each field stands on."""

    path: Path
    data: Any
    lines: dict[Location, int]

    def error(self, location: Location, message: str, hint: str | None = None) -> UserError:
        """A UserError that names the file, line and field of ``location``."""
        line, field = self.line(location), _field(location)
        return UserError(message, path=self.path, line=line, field=field, hint=hint)

    def line(self, location: Location) -> int | None:
        """The line of a field, or of the nearest thing around it."""
        known = (location[:length] for length in range(len(location), -1, -1))
        return next((self.lines[part] for part in known if part in self.lines), None)

    def read(self, model: type[Model], data: Any = None, at: Location = ()) -> Model:
        """The document, or the part of it at ``at``, as a model; UserError where it is none."""
        try:
            return model.model_validate(self.data if data is None else data)
        except pydantic.ValidationError as exc:
            raise self._explain(model, exc, at) from exc

    def _explain(
        self, model: type[Model], exc: pydantic.ValidationError, at: Location
    ) -> UserError:
        first = clearest(exc.errors(include_url=False))
        location, name = first["loc"], str(first["loc"][-1]) if first["loc"] else ""
        where = at + self._known(at, location, is_new=first["type"] in _OF_FIELDS)
        if first["type"] == "extra_forbidden":
            names = _names(_holder(model, location))
            return self.error(where, "no such field", nearest(name, names) if names else None)
        mistake = explain(first)
        if first["type"] == "missing":
            mistake = explain_missing(_holder(model, location), name)
        return self.error(where, mistake.message, mistake.hint)

    def _known(self, at: Location, location: Location, *, is_new: bool) -> Location:
        """``location`` without what pydantic puts in for unions.

        A field that ``is_new`` stands nowhere in the file, and is the last part.
        """
        path: Location = ()
        for index, part in enumerate(location):
            is_last = is_new and index == len(location) - 1
            if at + path + (part,) in self.lines or is_last:
                path += (part,)
        return path


def _holder(model: type[pydantic.BaseModel], location: Location) -> Any:
    """The model that the last part of ``location`` is, or is not, a field of."""
    current: Any = model
    for part in location[:-1]:
        field = getattr(current, "model_fields", {}).get(part)
        if not isinstance(part, int) and field is not None:
            current = _inner_model(field.annotation)
    return current


def _names(model: Any) -> list[str]:
    return [f.alias or name for name, f in getattr(model, "model_fields", {}).items()]


def _inner_model(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, pydantic.BaseModel):
        return annotation
    inner = (_inner_model(argument) for argument in getattr(annotation, "__args__", ()))
    return next((found for found in inner if found is not None), None)


def load_document(path: Path, model: type[Model]) -> Model:
    """The one document of a YAML file, as a model. Raises UserError with file and line."""
    documents = load_documents(path)
    if len(documents) != 1:
        raise UserError("must hold one document", path=path, line=1)
    return documents[0].read(model)


def load_documents(path: Path) -> list[Document]:
    """Every document of a YAML file. Raises UserError with file and line."""
    text = _text(path)
    try:
        nodes = list(yaml.compose_all(text, Loader=_Loader))
    except RecursionError as exc:
        raise UserError("nested too deeply", path=path) from exc
    except yaml.MarkedYAMLError as exc:
        raise _no_yaml(path, text, exc) from exc
    except yaml.YAMLError as exc:
        raise UserError(f"not YAML: {exc}", path=path) from exc
    return [_read(path, node) for node in nodes if node is not None]


def _no_yaml(path: Path, text: str, exc: yaml.MarkedYAMLError) -> UserError:
    """With the parser's words, and what would do where that can be seen."""
    message, mark = f"not YAML: {exc.problem or exc.context}", exc.problem_mark or exc.context_mark
    if mark is None:
        return UserError(message, path=path)
    opened = any(word in (exc.context or "") for word in ("flow", "quoted"))
    begun = exc.context_mark.line if opened and exc.context_mark else mark.line
    open_line = begun + 1 if begun < mark.line else None
    hint = explain_syntax(text.splitlines(), mark.line + 1, open_line)
    return UserError(message, path=path, line=mark.line + 1, hint=hint)


def _text(path: Path) -> str:
    try:
        content = path.read_bytes()
        return content.decode("utf-8")
    except OSError as exc:
        raise UserError(f"cannot be read: {exc.strerror}", path=path) from exc
    except UnicodeDecodeError as exc:
        line = content.count(b"\n", 0, exc.start) + 1
        message = f"byte {content[exc.start]:#x} is not UTF-8"
        raise UserError(message, path=path, line=line, hint="the file saved as UTF-8") from exc


def _read(path: Path, node: yaml.Node) -> Document:
    reading = _Reading(path)
    return Document(path, reading.plain(node, ()), reading.lines)


class _Reading:
    """One document on its way from nodes to plain data, with the line of each value."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines: dict[Location, int] = {}
        # A loader for each scalar would take a fifth of all collection.
        self._scalars = yaml.constructor.SafeConstructor()

    def plain(self, node: yaml.Node, at: Location) -> Any:
        line = node.start_mark.line + 1
        self.lines.setdefault(at, line)
        if len(at) > _DEEPEST:
            raise UserError(f"nested deeper than {_DEEPEST} times", path=self.path, line=line)
        if len(self.lines) > _MOST_VALUES:
            message = f"stands for more than {_MOST_VALUES} values"
            raise UserError(message, path=self.path, line=line)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, at)
        if isinstance(node, yaml.SequenceNode):
            return [self.plain(item, (*at, index)) for index, item in enumerate(node.value)]
        return self._scalar(node, at)

    def _scalar(self, node: yaml.Node, at: Location) -> Any:
        try:
            value = self._scalars.construct_object(node)
            if isinstance(value, int):
                str(value)  # a longer hexadecimal number could be read, and never be told
            return value
        # A foreign tag, a date such as 2026-99-99, or a word that is not what its tag says.
        except (yaml.YAMLError, ValueError, LookupError, AttributeError) as exc:
            tag = node.tag.replace(_YAML_TAGS, "!!")[:_QUOTED]
            message = f"{node.value[:_QUOTED]!r} is no {tag}"
            line = node.start_mark.line + 1
            raise UserError(message, path=self.path, line=line, field=_field(at)) from exc

    def _mapping(self, node: yaml.MappingNode, at: Location) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = str(key_node.value)
            line = key_node.start_mark.line + 1
            if key in result:
                raise UserError("given twice", path=self.path, line=line, field=_field((*at, key)))
            self.lines[(*at, key)] = line
            result[key] = self.plain(value_node, (*at, key))
        return result


def _field(location: Location) -> str | None:
    return ".".join(str(part) for part in location) or None
