"""The pytest face: options in, one item a cell, outcomes out.

Options are there in every pytest run, and so is a scenario file that is named by itself; what
is found in a folder is collected only below one whose conftest.py takes
:func:`collect_scenarios`. Under pytest-xdist the workers run cells and the controller alone
writes run.json.
"""

from harness.plugin.hooks import (
    pytest_addoption,
    pytest_cmdline_main,
    pytest_collection_modifyitems,
    pytest_configure,
    pytest_report_header,
    pytest_runtest_protocol,
    pytest_sessionfinish,
    pytest_sessionstart,
)
from harness.plugin.items import collect_named as pytest_collect_file
from harness.plugin.items import collect_scenarios
from harness.plugin.left_alone import pytest_terminal_summary
from harness.plugin.planned_hooks import (
    pytest_runtest_makereport,
    pytest_runtestloop,
)

__all__ = [
    "collect_scenarios",
    "pytest_addoption",
    "pytest_cmdline_main",
    "pytest_collect_file",
    "pytest_collection_modifyitems",
    "pytest_configure",
    "pytest_report_header",
    "pytest_runtest_makereport",
    "pytest_runtest_protocol",
    "pytest_runtestloop",
    "pytest_sessionfinish",
    "pytest_sessionstart",
    "pytest_terminal_summary",
]
