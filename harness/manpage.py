"""The manual page, made of the parsers: ``python -m harness.manpage >docs/daxhound.1``.

Private attributes of argparse are read here alone; its public ones say nothing of options.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator

from harness import __version__
from harness.cli import build_parser
from harness.commands.parser import EXIT_CODES

_ENVIRONMENT = {
    "DAXHOUND_CACHE": "where kernels, sources and images are kept; ~/.cache/daxhound without it",
    "DAXHOUND_QEMU": "the only directory in which QEMU is looked for; $PATH without it",
    "DAXHOUND_SANDBOX": "off: kernels are built without bubblewrap",
    "DAXHOUND_MIRROR": "folder that holds Debian's dists/, instead of the host's own mirror",
    "DAXHOUND_SECURITY_MIRROR": "the same for security updates",
}
_SEE_ALSO = "pytest(1), qemu(1), ndctl(1), daxctl(1), git-bisect(1)"


def render_manpage(parser: argparse.ArgumentParser) -> str:
    """The page in man(7)."""
    return "\n".join([*_page(parser), ""])


def _page(parser: argparse.ArgumentParser) -> Iterator[str]:
    summary, _, rest = (parser.description or "").partition(". ")
    name = parser.prog
    yield f'.TH {name.upper()} 1 "" "{name} {__version__}"'
    yield from (".ad l", ".nh")
    yield from (".SH NAME", f"{_plain(name)} \\- {_plain(summary[0].lower() + summary[1:])}")
    yield from (".SH SYNOPSIS", f".B {_plain(name)}", "COMMAND [\\fIOPTION\\fR ...]")
    yield from (".SH DESCRIPTION", _plain(rest))
    yield ".SH COMMANDS"
    for command in _commands(parser):
        yield from _command(command)
    yield ".SH EXIT STATUS"
    yield from _verbatim(EXIT_CODES.partition("\n")[2])
    yield ".SH ENVIRONMENT"
    for variable, what in _ENVIRONMENT.items():
        yield from (".TP", f".B {variable}", _plain(what))
    yield from (".SH SEE ALSO", _plain(_SEE_ALSO))


def _commands(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield from action.choices.values()


def _command(command: argparse.ArgumentParser) -> Iterator[str]:
    actions = [a for a in command._actions if not isinstance(a, argparse._HelpAction)]
    yield f".SS {_plain(command.prog)}"
    yield " ".join([f"\\fB{_plain(command.prog)}\\fR", *(_in_synopsis(a) for a in actions)])
    yield from (".PP", _plain(command.description or ""))
    for action in (action for action in actions if action.help):
        words = [f"\\fB{_plain(name)}\\fR" for name in action.option_strings]
        said = [", ".join(words), f"\\fI{_plain(_value(action))}\\fR" if _value(action) else ""]
        yield from (".TP", " ".join(filter(None, said)), _plain(action.help or ""))
    if command.epilog:
        first, _, lines = command.epilog.partition("\n")
        yield from (".PP", _plain(first.capitalize()))
        yield from _verbatim(lines)


def _in_synopsis(action: argparse.Action) -> str:
    value = f"\\fI{_plain(_value(action))}\\fR" if _value(action) else ""
    if action.option_strings:
        option = " ".join(filter(None, [_plain(action.option_strings[-1]), value]))
        return option if action.required else f"[{option}]"
    if action.nargs in ("*", argparse.REMAINDER):
        return f"[{value} ...]"
    return f"[{value}]" if action.nargs == "?" else value


def _value(action: argparse.Action) -> str:
    """What stands for an option's value, or for an argument; "" where there is none."""
    if action.nargs == 0:
        return ""
    if action.choices is not None:
        return "|".join(map(str, action.choices))
    return action.metavar if isinstance(action.metavar, str) else action.dest.upper()


def _verbatim(text: str) -> Iterator[str]:
    yield ".EX"
    yield from (_plain(line) for line in text.splitlines())
    yield ".EE"


def _plain(text: str) -> str:
    """Text as it is: hyphens that can be pasted, and no line that looks like a request."""
    plain = text.replace("\\", "\\e").replace("-", "\\-").replace("~", "\\(ti")
    return f"\\&{plain}" if plain.startswith((".", "'")) else plain


if __name__ == "__main__":
    sys.stdout.write(render_manpage(build_parser()))
