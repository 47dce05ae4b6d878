"""The ``daxhound`` command: options in, exit code out, no logic of its own.

What one command needs is imported by that command: a prediction takes less time than
importing what a guest needs.
"""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Sequence

from harness import __version__
from harness.commands import (
    build,
    cache,
    guests,
    host,
    plan,
    report,
    scenarios,
    series,
    triage,
    worker,
)
from harness.commands.parser import EXIT_CODES, Parser, complete
from harness.errors import DaxhoundError, InfrastructureError, UserError
from harness.output import ReaderGoneError, open_closed_streams, outlives_reader

# git bisect run takes any other code below 128 for the kernel's fault.
EXIT_BISECTION = 128


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; deliberate errors become one message and an exit code."""
    words = sys.argv[1:] if arguments is None else arguments
    open_closed_streams()
    with outlives_reader("stderr"):
        if list(words[:1]) == ["bisect-step"]:
            return _bisect(words)
        return _command(words)


def _command(arguments: Sequence[str]) -> int:
    """Any other command. The code that Python has for a mistake of ours is a failed kernel's."""
    try:
        with outlives_reader("stdout"):
            return _run(arguments)
    except InfrastructureError as exc:  # of what was still to be written at the end
        return _complain(exc, exc.exit_code)
    except Exception:
        traceback.print_exc()
        return InfrastructureError.exit_code


def _bisect(arguments: Sequence[str]) -> int:
    """A step of a bisection, which also ends where nobody reads what it finds."""
    try:
        with outlives_reader("stdout", needed=True):
            code = _run(arguments)
    except ReaderGoneError:
        print("daxhound: standard output was closed, which ends the bisection", file=sys.stderr)
        return EXIT_BISECTION
    except InfrastructureError as exc:  # as of any other command
        return _complain(exc, EXIT_BISECTION)
    except Exception:
        traceback.print_exc()
        return EXIT_BISECTION
    no_verdict = (InfrastructureError.exit_code, UserError.exit_code)
    return EXIT_BISECTION if code in no_verdict else code


def _run(arguments: Sequence[str]) -> int:
    try:
        parser = build_parser()
        complete(parser)
        options = parser.parse_args(arguments)
        return int(options.run(options))
    except DaxhoundError as exc:
        return _complain(exc, exc.exit_code)
    except KeyboardInterrupt:
        return 130


def _complain(exc: Exception, code: int) -> int:
    print(f"daxhound: {exc}", file=sys.stderr)
    return code


def build_parser() -> argparse.ArgumentParser:
    """Every command, in the order in which --help shows them."""
    parser = Parser(
        prog="daxhound",
        description="Kernel scenarios on QEMU guests, held against a model. "
        "The scenarios themselves run as: pytest scenarios/ --arch ppc64-hash",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"daxhound {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for group in (host, scenarios, guests, build, plan, series, report, triage, cache, worker):
        group.add_commands(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
