"""A step that no guest could do is told with its place in the scenario, before a guest boots."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.campaign.supported import why_unsupported
from harness.errors import UserError
from harness.kernel.assumed import assumed_facts
from harness.kernel.spec import parse_kernel_spec
from harness.model import Machine, Model
from harness.scenario.expand import Cell, expand
from harness.scenario.schema import load_scenarios
from harness.target import load_targets

SCENARIO = """\
scenario: sample
summary: more than there is
layout:
  pmem: [{size: 1G}]
steps:
  - create-namespace: {mode: devdax, map: mem, align: page}
  - write-read:
      memory: devdax
      size: 8G
  - churn: {mode: devdax}
"""


def cell_of(tmp_path: Path, text: str, target: str = "ppc64-hash") -> Cell:
    path = tmp_path / "sample.yaml"
    path.write_text(text)
    (cell,) = expand(load_scenarios(path)[0], {target: load_targets()[target]})
    return cell


def model_of(cell: Cell) -> Model:
    spec = parse_kernel_spec("debian:6.1")
    facts = assumed_facts(spec, cell.target.kernel.fragments)
    return Model(Machine(cell.target, facts, cell.layout))


@pytest.mark.parametrize(
    ("size", "said"),
    [
        (
            "8G",
            "9: steps.1.write-read.size: write-read of 8G does not fit into the memory\n",
        ),
        ("1M", "10: steps.2.churn.region: churn: region 0 has namespaces, which it would destroy"),
    ],
)
def test_the_line_of_the_field_or_else_of_the_step(tmp_path: Path, size: str, said: str) -> None:
    cell = cell_of(tmp_path, SCENARIO.replace("8G", size))
    with pytest.raises(UserError) as caught:
        why_unsupported(model_of(cell), cell)
    assert str(caught.value).startswith(f"{cell.path}:{said}")


def test_what_a_target_lacks_comes_before_what_the_step_asks_of_it(tmp_path: Path) -> None:
    cell = cell_of(tmp_path, SCENARIO, "s390x")
    assert "s390x" in str(why_unsupported(model_of(cell), cell))
