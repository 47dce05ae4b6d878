"""What is said where nothing was collected, of scenarios that nobody had named.

YAML files in a folder may be another project's, so without a conftest.py there they are left
alone; whoever gave their folder to pytest hears how they are run.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from harness.plugin.items import collect_scenarios

# How a document of a scenario file begins, within as much of the file as is looked at.
_SCENARIO = re.compile(rb"^scenario:[ \t]", re.MULTILINE)
_LOOKED_AT = 4096
# A folder may be somebody's home: so many files are enough to look at.
_MOST_FILES = 10_000


def pytest_terminal_summary(
    terminalreporter: Any, exitstatus: int | pytest.ExitCode, config: pytest.Config
) -> None:
    if exitstatus != pytest.ExitCode.NO_TESTS_COLLECTED or terminalreporter.stats:
        return
    folders = (Path(argument.partition("::")[0]) for argument in config.args)
    found = next(_scenario_files(folders), None)
    if found is not None:
        _tell(terminalreporter, found)


def _scenario_files(folders: Iterable[Path]) -> Iterator[Path]:
    """Files with scenarios below the folders."""
    for folder in folders:
        files = islice(folder.rglob("*"), _MOST_FILES)
        for path in sorted(file for file in files if file.suffix in (".yaml", ".yml")):
            with suppress(OSError), path.open("rb") as file:
                if _SCENARIO.search(file.read(_LOOKED_AT)):
                    yield path


def _tell(terminalreporter: Any, found: Path) -> None:
    line = f"from harness.plugin import {collect_scenarios.__name__} as pytest_collect_file"
    terminalreporter.write_line(f"{found} has a scenario, but nobody named it: it was left alone")
    terminalreporter.write_line(f"  try: pytest {found}, or {found.parent}/conftest.py with")
    terminalreporter.write_line(f"       {line}")
