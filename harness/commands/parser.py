"""What subcommands share: how one is added, and the options that several take."""

from __future__ import annotations

import argparse
import difflib
import os
import re
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from harness.errors import UserError

if TYPE_CHECKING:
    Commands: TypeAlias = argparse._SubParsersAction[Any]

DEFAULT_KERNEL = "debian:6.1"
_NO_CHOICE = re.compile(r"invalid choice: '([^']*)'")
EXIT_CODES = """\
exit codes:
  0    done, and nothing to object to
  1    something is missing, differs, or a kernel failed
  3    the host or the harness failed: says nothing about any kernel
  4    bad input; the message says what to use instead
  130  interrupted
  bisect-step has those of git bisect run: 0 good, 1 bad, 125 cannot be judged
  series has those of pytest: 0 passed, 1 failed, 2 interrupted, 4 bad input, 5 no cell chosen"""


class Parser(argparse.ArgumentParser):
    """A parser whose complaints are bad input like any other."""

    def error(self, message: str) -> None:  # type: ignore[override]
        raise UserError(message, hint=self._meant(message) or f"{self.prog} --help")

    def _meant(self, message: str) -> str | None:
        """What was meant by a word that is no choice, or what can stand where a word is missing."""
        chosen = [
            action for action in self._actions if action.choices and not action.option_strings
        ]
        for action in chosen:
            choices = list(map(str, action.choices or ()))
            if message.endswith(f"required: {action.dest}"):
                return ", ".join(f"{self.prog} {choice}" for choice in choices)
            wrong = _NO_CHOICE.search(message)
            close = difflib.get_close_matches(wrong[1], choices, n=1) if wrong else ()
            if close:
                return f"{self.prog} {close[0]}"
        return None

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse's, but for a command of daxhound's nothing may be left over.

        argparse leaves that to the outermost parser, which knows none of a command's options.
        """
        options, left = super().parse_known_args(args, namespace)
        if left:
            raise UserError(f"unrecognized arguments: {' '.join(left)}", hint=self._instead(left))
        return options, left

    def _instead(self, left: Sequence[str]) -> str:
        known = {name for action in self._actions for name in action.option_strings}
        wrong = next((word.partition("=")[0] for word in left if word.startswith("-")), None)
        if wrong is None and "--arch" in known and left[0] in target_names():
            return f"{self.prog} --arch {left[0]}"
        close = difflib.get_close_matches(wrong or "", known, n=1)
        return f"{self.prog} {close[0]}" if close else f"{self.prog} --help"


def add_command(
    commands: Commands,
    name: str,
    summary: str,
    run: Callable[[argparse.Namespace], int],
    *examples: str,
) -> argparse.ArgumentParser:
    """A subcommand with its examples, each what stands behind ``daxhound``."""
    lines = "\n".join(f"  daxhound {example}" for example in examples)
    command: argparse.ArgumentParser = commands.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.",
        epilog=f"examples:\n{lines}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.set_defaults(run=run)
    return command


def add_json(command: argparse.ArgumentParser) -> None:
    command.add_argument("--json", action="store_true", help="for another program")


def add_arch(command: argparse.ArgumentParser) -> None:
    option = command.add_argument(
        "--arch",
        action="append",
        metavar="TARGET",
        help="several with commas, all (default) or variants",
    )
    _complete(option, target_names)


def add_kernel(command: argparse.ArgumentParser, default: str = DEFAULT_KERNEL) -> None:
    option = command.add_argument(
        "--kernel",
        default=default,
        metavar="SPEC",
        help=f"debian:VERSION, dir:PATH, tar:PATH, git:PATH@REF (default: {default})",
    )
    _complete(option, kernel_specs)


def add_config(command: argparse.ArgumentParser) -> None:
    option = command.add_argument(
        "--config",
        action="append",
        default=[],
        metavar="NAME",
        help="fragments of kconfigs/ beyond the target's own, with commas between",
    )
    _complete(option, config_names)


def add_scenarios(command: argparse.ArgumentParser) -> None:
    option = command.add_argument(
        "--scenario",
        action="append",
        metavar="NAME",
        help="a name, a pattern such as 'gup-*', FILE.yaml, or core, for those that a change is"
        " tried on first; may be given again (default: all that are shipped)",
    )
    _complete(option, scenario_choices)


def add_target(command: argparse.ArgumentParser) -> None:
    option = command.add_argument("target", help="a target's name, such as ppc64-radix")
    _complete(option, target_names)


def add_scenario(command: argparse.ArgumentParser, name: str, summary: str) -> None:
    _complete(command.add_argument(name, help=summary), scenario_names)


def target_names() -> Iterable[str]:
    from harness.target import GROUPS, load_targets

    return (*load_targets(), *GROUPS)


def config_names() -> Iterable[str]:
    from harness.kernel.fragments import fragment_names

    return fragment_names()


def scenario_names() -> Iterable[str]:
    from harness.scenario.find import all_scenarios

    return (scenario.name for scenario in all_scenarios())


def scenario_choices() -> Iterable[str]:
    from harness.scenario.find import CORE

    return (*scenario_names(), CORE)


def kernel_specs() -> Iterable[str]:
    from harness.kernel.source import load_suites

    known = (f"debian:{version}" for version in load_suites().sources)
    return (*known, "dir:", "tar:", "git:")


def _complete(option: argparse.Action, words: Callable[[], Iterable[str]]) -> None:
    """What a shell may offer; found out once it asks."""

    def offer(prefix: str, **_: Any) -> list[str]:
        done, comma, last = prefix.rpartition(",")
        return [f"{done}{comma}{word}" for word in words() if word.startswith(last)]

    option.completer = offer  # type: ignore[attr-defined]  # argcomplete's


def complete(parser: argparse.ArgumentParser) -> None:
    """Answer the shell where it is the one that asks; ends the process then."""
    if "_ARGCOMPLETE" in os.environ:
        import argcomplete

        argcomplete.autocomplete(parser)
