"""A scenario for runs of pytest that boot nothing."""

from __future__ import annotations

CONFTEST = "from harness.plugin import collect_scenarios as pytest_collect_file\n"

SCENARIO = """\
scenario: gup-anon
summary: base pages
parameters:
  command: [get-fast, pin-fast]
steps:
  - gup-test: {command: $command, memory: anon}
"""
