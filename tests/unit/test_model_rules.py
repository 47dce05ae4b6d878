"""Every rule is used, has a source, and stands in docs/model.md."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.kernel.probes import PROBES
from harness.model.defects import DEFECTS
from harness.model.rule_table import TABLE
from harness.model.rules import RULES, render_rules_markdown, topic
from harness.records import Rule

ROOT = Path(__file__).resolve().parents[2]
MODEL = ROOT / "harness" / "model"


def _ids_in_code() -> set[str]:
    pattern = re.compile(r"RULES\[(.+?)\]", re.DOTALL)
    found: set[str] = set()
    for path in MODEL.glob("*.py"):
        for index in pattern.findall(path.read_text(encoding="utf-8")):
            found |= set(re.findall(r"[\"']([a-z0-9]+\.[a-z0-9-]+)[\"']", index))
    return found


def test_ids_are_unique() -> None:
    assert len(RULES) == len(TABLE)


def test_code_and_table_know_the_same_rules() -> None:
    assert _ids_in_code() == set(RULES)


def test_docs_are_current() -> None:
    written = (ROOT / "docs" / "model.md").read_text(encoding="utf-8")
    assert written == render_rules_markdown(), "write render_rules_markdown() to docs/model.md"


def test_every_rule_about_a_defect_is_a_known_defect_with_a_probe() -> None:
    assert {defect.rule for defect in DEFECTS} == {rule for rule in TABLE if rule.defect}
    assert {defect.probe for defect in DEFECTS} <= set(PROBES)
    assert all(rule.id.startswith("defect.") == rule.defect for rule in TABLE)


def test_every_probe_and_where_defects_were_seen_is_documented() -> None:
    written = render_rules_markdown()
    assert all(f"\n| `{name}` | " in written for name in PROBES)
    assert all(f"| {defect.kernels} | `{defect.probe}` |" in written for defect in DEFECTS)


@pytest.mark.parametrize("rule", TABLE, ids=lambda rule: rule.id)
def test_every_rule_is_documented_whole(rule: Rule) -> None:
    row = f"| `{rule.id}` | {rule.statement} | {rule.source} |"
    assert render_rules_markdown().count(row) == 1
    assert rule.statement.rstrip().endswith(".")
    assert rule.source
    assert topic(rule)
