"""Cells in which nothing happened of what their scenario is for."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from harness.compare import compare
from harness.records import CellResult, Expected, Observation, Prediction, Rule, StepResult, Verdict
from harness.report.formats import FORMATS
from harness.report.idle import idle_note
from harness.report.material import gather
from harness.report.results import cell_to_json
from harness.report.text import render_summary

RULE = Rule("some.rule", "as it is", "somewhere")
NOTE = "gup-test, fault had nothing to work on: create-namespace was refused (EINVAL)"


def step(kind: str, outcome: str, errno: str | None = None) -> StepResult:
    values = {"outcome": outcome} | ({"errno": errno} if errno else {})
    expected = Prediction(kind, (Expected("outcome", outcome, RULE),))
    return compare(expected, Observation(kind, values))


REFUSED = step("create-namespace", "refused", "EINVAL")
CREATED = step("create-namespace", "created")
GUP, FAULT = step("gup-test", "no-device"), step("fault", "no-device")


def result(*steps: StepResult) -> CellResult:
    return CellResult(
        id="odd.yaml::odd[ppc64-hash]",
        scenario="odd",
        target="ppc64-hash",
        kernel="6.1.192",
        verdict=Verdict.OK,
        reason="",
        seconds=1.0,
        guest_seconds=1.0,
        steps=steps,
    )


@pytest.mark.parametrize(
    ("steps", "note"),
    [
        ((REFUSED, GUP, FAULT, GUP), NOTE),
        ((CREATED, REFUSED, step("gup-test", "ran")), ""),
        ((REFUSED, CREATED, GUP), ""),
        ((GUP,), ""),
        ((CREATED, step("fault", "refused", "EINVAL"), GUP), ""),
        (
            (REFUSED, step("filesystem", "refused"), FAULT),
            "fault had nothing to work on: create-namespace was refused (EINVAL)",
        ),
    ],
)
def test_a_step_without_a_device_behind_a_refusal(steps: tuple[StepResult, ...], note: str) -> None:
    assert idle_note(result(*steps)) == note
    assert idle_note(replace(result(*steps), verdict=Verdict.MISMATCH)) == ""


def test_the_summary_has_one_line_for_all() -> None:
    idle, other = cell_to_json(result(REFUSED, GUP, FAULT)), cell_to_json(result(REFUSED, GUP))
    assert (idle["note"], idle["idle"]) == (NOTE, NOTE)
    assert render_summary([idle, idle]).splitlines()[1:] == [f"note, in 2 cells: {NOTE}"]
    assert render_summary([idle, other]).splitlines()[1:] == [
        "note, in 2 cells: steps had nothing to work on: one before them was refused"
    ]


def test_a_run_in_which_nothing_was_worked_on_is_tested_by_nobody(tmp_path: Path) -> None:
    idle, busy = cell_to_json(result(REFUSED, GUP, FAULT)), cell_to_json(result(CREATED))
    busy |= {"id": "odd.yaml::busy[ppc64-hash]", "folder": "busy"}
    for cells, is_tested in (([idle], False), ([idle, busy], True)):
        for cell in cells:
            (tmp_path / cell["folder"]).mkdir(exist_ok=True)
        document = {"schema": 1, "kernel": "debian:6.1", "finished": "now", "cells": cells}
        (tmp_path / "run.json").write_text(json.dumps(document))
        text = FORMATS["text"](gather([tmp_path], None, Path()))
        assert "note, in 1 cell: gup-test, fault had nothing to work on:" in text
        assert ("Tested-by:" in text) is is_tested
