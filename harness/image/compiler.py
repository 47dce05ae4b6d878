"""A target's cross compiler, for the programs of its guest."""

from __future__ import annotations

import subprocess

from harness.errors import InfrastructureError
from harness.host_packages import install_command
from harness.kernel.build_log import first_errors
from harness.target import Target


def compile_program(target: Target, command: list[str], what: str) -> None:
    """Run a compiler's command line; ``what`` is built by it, as a message names it.

    Raises InfrastructureError where the compiler is missing or finds an error.
    """
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except FileNotFoundError as exc:
        remedy = install_command(*target.packages.compiler)
        raise InfrastructureError(f"{command[0]} is missing: {remedy}") from exc
    except subprocess.CalledProcessError as exc:
        message = "\n  ".join(first_errors(exc.stderr)) or exc.stderr.strip()
        raise InfrastructureError(f"{what} does not build:\n  {message}") from exc
