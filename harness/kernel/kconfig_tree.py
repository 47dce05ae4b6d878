"""Why symbols have the values they have: a program of its own, run by ``refusal.py``.

kconfiglib reads a kernel's Kconfig files through environment variables and the current
directory, which belong to a whole process; so this is one. It reads
``{"dotconfig": path, "symbols": [name, ...]}`` as JSON and writes ``{name: reason}``.
"""

from __future__ import annotations

import difflib
import io
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kconfiglib

_LINKS = 6
_LISTED = 3

# Reasons that nobody can ask away; the others only lack a request of their own.
_FINAL = re.compile(r"has no prompt|does not have$|is set$|is chosen$")

# Kconfig since kconfiglib's last release (5.14, 6.18, 7.0), in the words that it knows:
# lines stay lines, so that places stay right.
_NEWER = (
    (re.compile(r"^(\s+)modules\s*$"), r"\1option modules"),
    (re.compile(r"^\s+transitional\s*$"), ""),
    (re.compile(r"^(\s+depends on )([^#]+?)\s+if\s+([^#]+?)\s*(?:#.*)?$"), r"\1(\2) || !(\3)"),
)


class _Kconfig(kconfiglib.Kconfig):  # type: ignore[misc]
    """kconfiglib over files of newer kernels: the one place where it opens a file."""

    def _open(self, filename: str, _mode: str) -> io.StringIO:
        text = Path(filename).read_text(encoding="utf-8", errors="replace")
        return io.StringIO("".join(f"{translate(line)}\n" for line in text.split("\n")))


def translate(line: str) -> str:
    """One line of Kconfig, without its line end, in the syntax of Linux 5.10."""
    for pattern, replacement in _NEWER:
        line = pattern.sub(replacement, line)
    return line


def explain(kconfig: Any, name: str) -> str:
    """What keeps a symbol from being set, down to the symbol that decides."""
    symbol = kconfig.syms.get(name)
    if symbol is None or not symbol.nodes:
        known = [other.name for other in kconfig.unique_defined_syms]
        close = difflib.get_close_matches(name, known, n=_LISTED, cutoff=0.75)
        meant = f"; there are {', '.join(close)}" if close else ""
        return f"no such symbol in this kernel{meant}"
    return "; ".join(_final_first(symbol, ())) or f"has the value {symbol.str_value!r}"


def _final_first(symbol: Any, above: tuple[str, ...]) -> list[str]:
    return sorted(_reasons(symbol, above), key=lambda reason: _FINAL.search(reason) is None)


def _reasons(symbol: Any, above: tuple[str, ...]) -> Iterator[str]:
    """Why a symbol is not what was asked for: off, or on, or of another value.

    ``above`` names the symbols whose reasons led here.
    """
    if kconfiglib.expr_value(symbol.rev_dep) > 0:
        yield f"is selected by {_listed(_selectors(symbol, only_set=True))}"
    elif kconfiglib.expr_value(symbol.direct_dep) == 0:
        for part in _false_parts(symbol.direct_dep):
            yield f"depends on {_text(part)}{_because(part, (*above, symbol.name))}"
    elif not any(node.prompt for node in symbol.nodes):
        yield _without_prompt(symbol)
    elif symbol.choice is not None and symbol.choice.selection not in (None, symbol):
        yield f"is one of a choice, and {symbol.choice.selection.name} is chosen"
    elif symbol.visibility == 0:
        conditions = [_text(node.prompt[1]) for node in symbol.nodes if node.prompt]
        yield f"can only be asked for with {' or '.join(conditions)}"
    elif symbol.str_value in ("", "n"):
        yield "could be set, but nothing asks for it"
    else:
        yield from _ranges(symbol)


def _because(part: Any, above: tuple[str, ...]) -> str:
    """The next link of the chain, where the false part is one symbol that is off."""
    if isinstance(part, tuple) and part[0] == kconfiglib.NOT:
        return f", and {_text(part[1])} is set"
    if not isinstance(part, kconfiglib.Symbol) or part.is_constant or len(above) > _LINKS:
        return ""
    if not part.nodes:
        return ", which this architecture does not have"
    if part.name in above:
        return ""
    further = _final_first(part, above)
    return f", which {further[0]}" if further else ""


def _false_parts(expression: Any) -> Iterator[Any]:
    """The parts of a conjunction that are false."""
    if isinstance(expression, tuple) and expression[0] == kconfiglib.AND:
        yield from _false_parts(expression[1])
        yield from _false_parts(expression[2])
    elif kconfiglib.expr_value(expression) == 0:
        yield expression


def _without_prompt(symbol: Any) -> str:
    names = _selectors(symbol)
    if not names:
        return "has no prompt, and nothing on this architecture selects it"
    return f"has no prompt, and only {_listed(names)} could select it"


def _selectors(symbol: Any, only_set: bool = False) -> list[str]:
    """Symbols that select this one; those alone that do so now, where that is asked."""
    alternatives = kconfiglib.split_expr(symbol.rev_dep, kconfiglib.OR)
    firsts = [(kconfiglib.split_expr(a, kconfiglib.AND)[0], a) for a in alternatives]
    return [
        first.name
        for first, alternative in firsts
        if isinstance(first, kconfiglib.Symbol)
        and not first.is_constant
        and (kconfiglib.expr_value(alternative) > 0 or not only_set)
    ]


def _ranges(symbol: Any) -> Iterator[str]:
    for low, high, condition in symbol.ranges:
        if kconfiglib.expr_value(condition) > 0:
            yield f"must lie between {low.str_value} and {high.str_value}"


def _listed(names: list[str]) -> str:
    more = len(names) - _LISTED
    return ", ".join(names[:_LISTED]) + (f" and {more} more" if more > 0 else "")


def _text(expression: Any) -> str:
    return str(kconfiglib.expr_str(expression))


def main() -> None:
    """Answer one request from standard input."""
    request = json.load(sys.stdin)
    kconfig = _Kconfig("Kconfig", warn=False, suppress_traceback=False)
    kconfig.load_config(request["dotconfig"])
    json.dump({name: explain(kconfig, name) for name in request["symbols"]}, sys.stdout)


if __name__ == "__main__":
    main()
