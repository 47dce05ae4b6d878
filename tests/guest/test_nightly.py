"""The nightly workflow, run step by step: real guests, two nights, something fixed and broken."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from harness.campaign.provide import Needs, Provider
from harness.target import load_targets
from tests.support.checkout import ROOT, copy_checkout
from tests.support.workflow import Runner

pytestmark = pytest.mark.guest

# Its cells are the quickest.
TARGET = "s390x"
SCENARIO = f"""\
scenario: night
summary: base pages
targets: [{TARGET}]
layout: {{ram: 1G}}
parameters:
  command: [get-fast, pin-fast]
steps:
  - gup-test: {{command: $command, memory: anon, size: 4M}}
"""


@pytest.fixture
def runner(provider: Provider, tmp_path: Path) -> Runner:
    """One scenario, cut in two; each shard has a store without kernels but the one it is sent."""
    # Built, or found: what the build job does is then no matter of minutes.
    provider.provide(Needs(load_targets()[TARGET]))
    store = provider.store.root

    def prepare(job: str, workspace: Path) -> dict[str, str]:
        cache = store
        if job == "shard":
            cache = workspace.parent / f"{workspace.name}-store"
            cache.mkdir(parents=True)
            for kind in ("source", "apt"):
                (cache / kind).symlink_to(store / kind)
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST", "GITHUB"))}
        return {**kept, "DAXHOUND_CACHE": str(cache), "PYTHONPATH": str(workspace)}

    return Runner(tmp_path, prepare, {"arch": TARGET, "kernel": "debian:6.1", "shards": "2"})


def test_two_nights(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.support.workflow.copy_checkout", one_scenario)
    workflow = ROOT / ".github/workflows/nightly.yml"

    runner.run(workflow)
    everything = dict.fromkeys(("plan", "build", "shard", "report"), "success")
    assert runner.results == everything, runner.output
    assert "all that was predicted of 2 cells was seen" in " ".join(runner.summary.split())
    night = runner.folder / "artifacts/night"
    assert len(json.loads((night / "run.json").read_text())["cells"]) == 2
    assert (night / "report.html").stat().st_size > 10_000

    # What last night would have kept, had one of its cells failed.
    last = runner.folder / "caches/last-good/run.json"
    change(last, {"verdict": "mismatch", "reason": "gup-test: x is 1, expected == 2"})
    runner.run(workflow)
    assert runner.results == everything, runner.output
    assert "Fixed" in runner.summary

    # And had it known a cell as good that this night's kernel cannot run.
    monkeypatch.setattr("tests.support.workflow.copy_checkout", one_broken_scenario)
    runner.run(workflow)
    assert runner.results == {**everything, "report": "failure"}, runner.output
    assert runner.summary.startswith(f"```\n2 new failures on {TARGET}")
    kept = json.loads(last.read_text())
    assert {cell["verdict"] for cell in kept["cells"]} == {"ok"}


def change(path: Path, cell: dict[str, str]) -> None:
    document = json.loads(path.read_text())
    document["cells"][0].update(cell)
    path.write_text(json.dumps(document))


def one_scenario(into: Path) -> Path:
    copy_checkout(into)
    for path in (into / "scenarios").glob("*.yaml"):
        path.unlink()
    (into / "scenarios/night.yaml").write_text(SCENARIO)
    return into


def one_broken_scenario(into: Path) -> Path:
    """The model of this checkout expects of a guest what no guest shows."""
    one_scenario(into)
    model = into / "harness/model/gup.py"
    text = model.read_text()
    wrong = text.replace(
        'Expected("results", step.repeats,', 'Expected("results", step.repeats + 1,'
    )
    assert wrong != text
    model.write_text(wrong)
    return into
