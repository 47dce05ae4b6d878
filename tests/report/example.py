"""An example run, made without a guest: the model's own predictions as observations.

Consoles are recorded ones of tests/golden. The series is made up: its second patch undoes
87a7ae75d738, which brings the crash on hash, and its third lets a namespace keep what
belongs to its info block. Written by the same functions as a real run.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.compare import compare
from harness.contrast import contrast
from harness.kernel.assumed import assumed_facts
from harness.kernel.spec import parse_kernel_spec
from harness.model import Machine, Model
from harness.observe.console import ConsoleReader
from harness.records import (
    CellResult,
    CommandRecord,
    KernelReport,
    Observation,
    PatchLabel,
    Prediction,
    Scalar,
    StepResult,
    TimeRatio,
    Verdict,
)
from harness.report.results import CellFolder, cell_to_json
from harness.report.run_file import RunFile
from harness.scenario.expand import Cell, expand
from harness.scenario.schema import load_scenarios
from tests.support.targets import main_targets

ROOT = Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden" / "console"
KERNEL = "debian:6.1"
SERIES: dict[str, Any] = {
    "name": "mm/devdax: share more struct pages",
    "patches": [
        {"position": 1, "subject": "mm/memremap: tidy up pgmap_request_folio()"},
        {"position": 2, "subject": "mm/vmemmap: share struct pages on every architecture"},
        {"position": 3, "subject": "nvdimm/pfn_devs: use the whole namespace for data"},
        {"position": 4, "subject": "mm/gup: pin compound devmap pages in one go"},
    ],
}
for _patch in SERIES["patches"]:
    _patch["sha256"] = hashlib.sha256(_patch["subject"].encode()).hexdigest()
_CLEAN = {
    "x86_64": "x86_64-clean",
    "arm64": "arm64-clean",
    "ppc64-hash": "ppc64-namespaces-clean",
    "ppc64-radix": "ppc64-gup-test-clean",
    "s390x": "s390x-clean",
}
_CRASH = "ppc64-hash-devdax-crash"


def console(name: str) -> bytes:
    """A recorded console, without the header of the golden file."""
    return (GOLDEN / f"{name}.txt").read_bytes().partition(b"\n\n")[2]


def report_of(log: bytes) -> KernelReport:
    """The first report on a console."""
    reader = ConsoleReader()
    reader.feed(log)
    reader.close()
    return reader.reports[0]


def cells_of(files: Iterable[str]) -> Iterator[Cell]:
    """Cells of the project's own scenarios in the named files: those that meet no known defect."""
    targets = main_targets()
    for file in files:
        for scenario in load_scenarios(ROOT / "scenarios" / file):
            for cell in expand(scenario, targets):
                if not result_of(cell, None)[0].known_defects:
                    yield cell


def label_of(patch: int) -> PatchLabel:
    """The kernel with so many patches."""
    return PatchLabel(patch, SERIES["patches"][patch - 1]["subject"] if patch else "")


def result_of(cell: Cell, patch: int | None) -> tuple[CellResult, bytes]:
    """What a cell comes to with the first ``patch`` patches, and its console."""
    facts = assumed_facts(parse_kernel_spec(KERNEL), cell.config + cell.target.kernel.fragments)
    model = Model(Machine(cell.target, facts, cell.layout))
    log = console(_CLEAN[cell.target.name])
    label = None if patch is None else label_of(patch)
    blank = CellResult(
        id=cell.id + (label.suffix if label else ""),
        patch=label,
        scenario=cell.scenario,
        target=cell.target.name,
        kernel="6.1.192",
        verdict=Verdict.OK,
        reason="",
        seconds=5.2,
        guest_seconds=4.6,
    )
    unsupported = model.unsupported(cell.steps)
    if unsupported is not None:
        return replace(blank, verdict=Verdict.UNSUPPORTED, reason=unsupported), log
    steps = tuple(
        _seen(model.predict(step), number, patch or 0) for number, step in enumerate(cell.steps)
    )
    result = replace(blank, steps=steps)
    if not patch:
        return result, log
    return _broken(result, patch, log)


def _seen(prediction: Prediction, number: int, patch: int) -> StepResult:
    values: dict[str, Scalar] = {item.name: item.value for item in prediction.expected}
    if prediction.step == "gup-test" and values.get("outcome") == "ran":
        base = 60 if patch == 4 else 240
        times = [base + (base * ((7 * i + 5 * patch + number) % 11)) // 30 for i in range(8)]
        values |= {"get_us": times[-1], "put_us": times[-1] // 3}
        values |= {"get_us_each": " ".join(map(str, times))}
        values |= {"put_us_each": " ".join(str(time // 3) for time in times)}
    record = CommandRecord(f"# {prediction.step}, made up for the example", 0, "", "", 0.4)
    return compare(prediction, Observation(prediction.step, values, (record,)))


def _broken(result: CellResult, patch: int, log: bytes) -> tuple[CellResult, bytes]:
    if (
        patch >= 2
        and result.target == "ppc64-hash"
        and "above-16g" in result.id
        and "mem" in result.id
    ):
        log = console(_CRASH)
        report = report_of(log)
        steps = tuple(step for step in result.steps if step.step == "regions")
        reason = f"create-namespace: {report.title}"
        return replace(
            result, verdict=Verdict.KERNEL_FAILURE, reason=reason, report=report, steps=steps
        ), log
    if patch >= 3 and "map-dev" in result.id:
        return _larger(result), log
    return result, log


def _larger(result: CellResult) -> CellResult:
    """The namespace offers 2M that it does not have: a mismatch, and the end of the cell."""
    steps: list[StepResult] = []
    for step in result.steps:
        values = dict(step.observation.values)
        size = values.get("size_bytes")
        if isinstance(size, int):
            values["size_bytes"] = size + (2 << 20)
        said = compare(step.prediction, replace(step.observation, values=values))
        steps.append(said)
        if said.mismatches:
            first = said.mismatches[0]
            reason = f"{step.step}: size_bytes is {first.observed!r}, expected == {size!r}"
            return replace(result, verdict=Verdict.MISMATCH, reason=reason, steps=tuple(steps))
    return result


def write_run(
    directory: Path, files: Iterable[str], patches: Iterable[int | None], finish: bool = True
) -> Path:
    """A results folder as a run leaves it."""
    patches = tuple(patches)
    directory.mkdir(parents=True)
    run = RunFile(directory, {"kernel": KERNEL, "series": SERIES if any(patches) else None})
    entries: list[dict[str, Any]] = []
    for cell in cells_of(files):
        before: CellResult | None = None
        for patch in patches:
            result, log = result_of(cell, patch)
            if before is not None:
                result = replace(result, comparison=contrast(before, result, _times(result)))
            entries.append(_write_cell(directory, cell, result, log))
            before = result
    run.record(*entries)
    if finish:
        run.finish()
    return directory


def _write_cell(directory: Path, cell: Cell, result: CellResult, log: bytes) -> dict[str, Any]:
    folder = CellFolder(directory, result.id)
    folder.console_log.write_bytes(log)
    for step in result.steps:
        folder.step(step)
    version = {"version": "10.0.11", "accelerator": "tcg", "argv": ["qemu-system-ppc64", "-S"]}
    reached = {"kernel": 0.7, "init": 2.6, "ready": 2.9, "shell": 3.1}
    folder.write("qemu.json", json.dumps({**version, "reached_seconds": reached}))
    return cell_to_json(result) | {"file": f"scenarios/{cell.path.name}", "line": cell.line}


def _times(result: CellResult) -> tuple[TimeRatio, ...]:
    """As if pairs of guests had been timed: the fourth patch makes pinning faster."""
    faster = result.patch is not None and result.patch.position == 4
    return tuple(
        TimeRatio(f"{number}. {step.step}", name, median, low, high, 8, faster)
        for number, step in enumerate(result.steps)
        if step.observation.values.get("get_us")
        for name, median, low, high in (
            [("get_us", 0.26, 0.24, 0.31), ("put_us", 0.43, 0.36, 0.52)]
            if faster
            else [("get_us", 1.02, 0.91, 1.09), ("put_us", 0.98, 0.88, 1.13)]
        )
    )


if __name__ == "__main__":
    write_run(Path(sys.argv[1]), ["devdax.yaml", "gup.yaml"], (0, 1, 2, 3, 4))
