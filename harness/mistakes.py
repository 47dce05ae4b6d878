"""What pydantic finds wrong with a value, in the words of whoever wrote the file."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias, get_args

from pydantic_core import ErrorDetails

from harness.errors import nearest

_MISSING = "must be given"
_LONGEST = 60
_CHOICE = re.compile(r"'([^']*)'")
_IDENTIFIER = re.compile(r"[A-Za-z][\w-]*")
_TAB = re.compile(r" *\t")
_ITEM = re.compile(r"\s*- ")
_NO_ITEM = re.compile(r"\s*-[A-Za-z]")
_GLUED = re.compile(r"\s*(?:- )?[\w-]+:[^\s:/]\S*\s*$")
_TWO_COLONS = re.compile(r"""\s*(?:- )?[\w-]+: +[^\s"'{\[].*:(?: |$)""")
_WHOLE = re.compile(r"\s*(?:- )?[\w-]+: +\S")
LIST_HINT = 'a list: each item on a line of its own that begins with "- "'


class Mistake(NamedTuple):
    """What is wrong, and what would do."""

    message: str
    hint: str | None = None


def explain(error: ErrorDetails) -> Mistake:
    """One of pydantic's errors; its own words where nothing better is known."""
    said = _EXPLAINED.get(error["type"])
    if said is not None:
        return said(error["input"], error.get("ctx", {}))
    return Mistake(error["msg"].removeprefix("Value error, "))


def clearest(errors: Iterable[ErrorDetails]) -> ErrorDetails:
    """The one to tell of several.

    A misspelt name also leaves its field missing: the misspelling is told. A value that may be
    of several types is refused by each of them, and what it is no text for says least.
    """
    errors = list(errors)
    unknown = (error for error in errors if error["type"] == "extra_forbidden")
    first = next(unknown, errors[0])
    if first["type"] != "string_type":
        return first
    same = (
        e for e in errors if e["loc"][:-1] == first["loc"][:-1] and e["input"] is first["input"]
    )
    return next((e for e in same if e["type"] in _TELLING), first)


def explain_syntax(lines: Sequence[str], line: int, begun: int | None) -> str | None:
    """What would make YAML of a line; ``begun`` is where a quote or bracket is that nothing ends.

    Lines are counted from 1, and a parser may only find out on the one after.
    """
    this = lines[line - 1] if line <= len(lines) else ""
    above = next((n for n in range(min(line - 1, len(lines)), 0, -1) if lines[n - 1].strip()), None)
    before = lines[above - 1] if above else ""
    if _TAB.match(this):
        return "spaces in the place of the tab"
    if begun is not None:
        return f"the end of what line {begun} opens with a quote or bracket"
    if _NO_ITEM.match(this):
        return "a space behind the -"
    for number, text in ((line, this), (above, before)):
        if _GLUED.match(text):
            return f"a space behind the colon of line {number}"
    if _TWO_COLONS.match(this):
        return "quotes around what stands behind the first colon"
    ended = _WHOLE.match(before) or (_ITEM.match(before) and _ITEM.match(this))
    indent, other = (len(text) - len(text.lstrip()) for text in (this, before))
    if ended and indent != other:
        return f"as many spaces before it as before line {above}: {other}"
    return None


def explain_missing(model: Any, name: str) -> Mistake:
    """A field that must be given and is not; what there is to choose from, where that is so."""
    for field_name, field in getattr(model, "model_fields", {}).items():
        if name in (field_name, field.alias):
            choices = [word for word in get_args(field.annotation) if isinstance(word, str)]
            return Mistake(_MISSING, nearest("", choices) if choices else None)
    return Mistake(_MISSING)


def told(value: Any) -> str:
    """A value as it stood in the file, as far as that fits a line."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "fields with values"
    if isinstance(value, list | tuple):
        return "a list"
    text = repr(value) if isinstance(value, str | int | float) else f"'{value}'"
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


_Context: TypeAlias = Mapping[str, Any]


def _choice(value: Any, context: _Context) -> Mistake:
    known = _CHOICE.findall(str(context.get("expected", "")))
    return Mistake(f"no such value: {told(value)}", nearest(str(value), known))


def _no_list(value: Any, _: _Context) -> Mistake:
    plain = isinstance(value, str | int | float)
    return Mistake(
        f"a list is wanted here, not {told(value)}", f"[{value}]" if plain else LIST_HINT
    )


def _no_fields(value: Any, _: _Context) -> Mistake:
    is_word = isinstance(value, str) and _IDENTIFIER.fullmatch(value)
    hint = f"{value}: with a colon" if is_word else "NAME: VALUE, on a line for each"
    return Mistake(f"fields with values are wanted here, not {told(value)}", hint)


def _no_text(value: Any, _: _Context) -> Mistake:
    if isinstance(value, bool | int | float):
        return Mistake(f"text is wanted here, not {told(value)}", f'"{told(value)}", in quotes')
    return Mistake(f"one value is wanted here, not {told(value)}")


def _no_number(value: Any, _: _Context) -> Mistake:
    return Mistake(f"a whole number is wanted here, not {told(value)}")


def _no_truth(value: Any, _: _Context) -> Mistake:
    return Mistake(f"{told(value)} is neither true nor false", "true or false")


def _too_few(_: Any, context: _Context) -> Mistake:
    return Mistake("has too little in it", f"at least {context['min_length']}")


def _bound(limit: str, words: str) -> Callable[[Any, _Context], Mistake]:
    """Of numbers that are beyond a limit, by the name that pydantic has for it."""
    return lambda value, context: Mistake(
        f"{told(value)} is out of range", words.format(context[limit])
    )


def _bad_value(_: Any, context: _Context) -> Mistake:
    error = context["error"]
    return Mistake(str(error), getattr(error, "hint", None))


_TELLING = ("tuple_type", "int_from_float", "float_type")
_EXPLAINED: Mapping[str, Callable[[Any, _Context], Mistake]] = MappingProxyType(
    {
        "literal_error": _choice,
        **dict.fromkeys(("tuple_type", "list_type"), _no_list),
        **dict.fromkeys(("dict_type", "model_type", "model_attributes_type"), _no_fields),
        "string_type": _no_text,
        **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), _no_number),
        **dict.fromkeys(("bool_type", "bool_parsing"), _no_truth),
        **dict.fromkeys(("too_short", "string_too_short"), _too_few),
        "greater_than_equal": _bound("ge", "at least {}"),
        "greater_than": _bound("gt", "more than {}"),
        "less_than_equal": _bound("le", "at most {}"),
        "less_than": _bound("lt", "less than {}"),
        "missing": lambda _value, _context: Mistake(_MISSING),
        "value_error": _bad_value,
    }
)
