"""The ``daxhound`` command: options in, exit code out, no logic of its own.

Exit codes: 0 done, 1 something is missing or differs, 3 the host failed, 4 bad input.
What one command needs is imported by that command: a prediction takes less time than
importing what a guest needs.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import traceback
from collections.abc import Sequence
from dataclasses import asdict

from harness import __version__
from harness.commands import report, series, triage
from harness.errors import InfrastructureError, KernelFailure, UserError
from harness.scenario.expand import Cell, expand
from harness.scenario.find import find_scenario
from harness.target import Target, load_targets, select_targets

EXIT_OK, EXIT_DIFFERENT, EXIT_HOST, EXIT_USER = 0, 1, 3, 4
# git bisect run takes any other code below 128 for the kernel's fault.
EXIT_BISECTION = 128


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; deliberate errors become one message and an exit code."""
    words = sys.argv[1:] if arguments is None else arguments
    if list(words[:1]) != ["bisect-step"]:
        return _run(words)
    try:
        code = _run(words)
    except Exception:
        traceback.print_exc()
        return EXIT_BISECTION
    return EXIT_BISECTION if code in (EXIT_HOST, EXIT_USER) else code


def _run(arguments: Sequence[str]) -> int:
    try:
        options = _parser().parse_args(arguments)
        return int(options.run(options))
    except UserError as exc:
        return _complain(exc, EXIT_USER)
    except InfrastructureError as exc:
        return _complain(exc, EXIT_HOST)
    except KernelFailure as exc:
        return _complain(exc, EXIT_DIFFERENT)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        return EXIT_OK


def _complain(exc: Exception, code: int) -> int:
    print(f"daxhound: {exc}", file=sys.stderr)
    return code


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> None:  # type: ignore[override]
        raise UserError(message, hint=f"{self.prog} --help")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="daxhound",
        description="Kernel scenarios on QEMU guests, held against a model. "
        "The scenarios themselves run as: pytest scenarios/ --arch ppc64-hash",
    )
    parser.add_argument("--version", action="version", version=f"daxhound {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    command = commands.add_parser("doctor", help="what this host can run, and what is missing")
    command.add_argument("--install", action="store_true", help="install what is missing")
    command.add_argument("--json", action="store_true", help="for another program")
    command.set_defaults(run=_doctor)

    command = commands.add_parser("targets", help="the targets that --arch takes")
    command.set_defaults(run=_targets)

    command = commands.add_parser("qemu", help="print the canned QEMU command line")
    _guest_options(command)
    command.set_defaults(run=_qemu)

    command = commands.add_parser("shell", help="an interactive guest on this terminal")
    _guest_options(command)
    command.set_defaults(run=_shell)

    command = commands.add_parser("predict", help="what the model expects, and which rule says so")
    command.add_argument("scenario", help="a scenario's name, such as devdax-map-mem")
    command.add_argument("--arch", action="append", metavar="TARGET", help="default: all")
    command.add_argument("--kernel", default="debian:6.1", metavar="SPEC")
    command.add_argument("--explain", action="store_true", help="show each derivation")
    command.add_argument("--json", action="store_true", help="for another program")
    command.set_defaults(run=_predict)

    series.add_commands(commands)
    report.add_command(commands)
    triage.add_commands(commands)
    return parser


def _guest_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("target", help="a target's name, such as ppc64-radix")
    command.add_argument("--scenario", help="start with this scenario's layout")
    command.add_argument("--kernel", default="debian:6.1", metavar="SPEC")


def _doctor(options: argparse.Namespace) -> int:
    from harness import doctor

    diagnosis = doctor.diagnose(load_targets().values())
    if options.install and diagnosis.missing:
        print(f"daxhound: installing {' '.join(diagnosis.missing)}", file=sys.stderr)
        doctor.install(diagnosis.missing)
        diagnosis = doctor.diagnose(load_targets().values())
    if options.json:
        print(json.dumps(asdict(diagnosis), indent=1))
    else:
        print(doctor.render(diagnosis))
    return EXIT_DIFFERENT if diagnosis.missing else EXIT_OK


def _targets(_options: argparse.Namespace) -> int:
    for target in load_targets().values():
        print(f"{target.name:12} {target.summary}")
    return EXIT_OK


def _target(options: argparse.Namespace) -> Target:
    (target,) = select_targets([options.target], load_targets())
    return target


def _first_cell(target: Target, scenario: str | None) -> Cell | None:
    """The scenario's first cell on the target; its layout is what a guest starts with."""
    if scenario is None:
        return None
    cells = list(expand(find_scenario(scenario), {target.name: target}))
    if not cells:
        raise UserError(f"{scenario} does not run on {target.name}")
    return cells[0]


def _qemu(options: argparse.Namespace) -> int:
    from harness.campaign.interactive import canned_command
    from harness.machine.process import orderly_termination

    target = _target(options)
    with orderly_termination():
        canned = canned_command(target, _first_cell(target, options.scenario), options.kernel)
    for line in canned.preparation:
        print(line)
    print(" \\\n  ".join(_paired(canned.argv)))
    return EXIT_OK


def _paired(argv: Sequence[str]) -> list[str]:
    """Shell words, an option and its argument on one line."""
    lines: list[str] = []
    for word in argv:
        quoted = shlex.quote(word)
        if word.startswith("-") or not lines or " " in lines[-1] or not lines[-1].startswith("-"):
            lines.append(quoted)
        else:
            lines[-1] += f" {quoted}"
    return lines


def _shell(options: argparse.Namespace) -> int:
    from harness.campaign.interactive import run_interactive
    from harness.machine.process import orderly_termination

    target = _target(options)
    with orderly_termination():
        return run_interactive(target, _first_cell(target, options.scenario), options.kernel)


def _predict(options: argparse.Namespace) -> int:
    from harness.campaign.predict import predict_cells, render_predictions

    targets = select_targets(options.arch or ["all"], load_targets())
    scenario = find_scenario(options.scenario)
    cells = expand(scenario, {target.name: target for target in targets})
    predictions = predict_cells(cells, options.kernel)
    print(render_predictions(predictions, explain=options.explain, as_json=options.json))
    if not options.json:
        print(f"(facts of {options.kernel} from its source or version; nothing was built)")
    return EXIT_OK


if __name__ == "__main__":
    sys.exit(main())
