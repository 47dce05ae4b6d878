"""A run's folder: one folder a cell, written as things happen, and the entries of run.json.

A killed run keeps all that it came to: each step's line is on disk before the next step
starts, and each cell's before the next cell (:mod:`harness.report.run_file`).
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from harness.errors import InfrastructureError, UserError
from harness.records import (
    CellResult,
    CommandRecord,
    Expected,
    KernelReport,
    Mismatch,
    Observation,
    Prediction,
    Rule,
    StepResult,
)
from harness.report.idle import idle_note
from harness.report.running import RunningNote
from harness.run_folder import ELSEWHERE, claim_run_folder, make_run_folder

SCHEMA: Final = 1
RUN_FILE = "run.json"
STEPS_FILE = "steps.jsonl"
CONSOLE_FILE = "console.log"
QEMU_FILE = "qemu.json"
DMESG_FILE = "dmesg.txt"
_OF_AN_ATTEMPT = (STEPS_FILE, CONSOLE_FILE, QEMU_FILE, DMESG_FILE)


def check_run_directory(asked: Path | None) -> None:
    """Raises UserError where a file stands in the place of the folder, or of one above it."""
    if asked is None:
        return
    there = next((path for path in (asked, *asked.parents) if path.exists()), asked)
    if there.exists() and not there.is_dir():
        raise UserError("is no folder for results", path=there, hint="--results DIR, or without")


def open_run_directory(asked: Path | None, base: Path) -> Path:
    """The folder that was asked for, made where it is not there, or a fresh one in ``base``.

    Raises UserError where a file has its name, where it cannot be written to, and where another
    process that lives has it.
    """
    check_run_directory(asked)
    try:
        if asked is None:
            return new_run_directory(base)
        with suppress(FileExistsError):
            make_run_folder(asked)
    except OSError as exc:
        message = f"no folder for results can be made: {exc.strerror}"
        raise UserError(message, path=asked or base, hint=ELSEWHERE) from exc
    claim_run_folder(asked.resolve())
    return asked.resolve()


def new_run_directory(base: Path) -> Path:
    """A fresh folder ``base/<UTC time>``; a second run in the same second gets a suffix."""
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    for suffix in ("", *(f"-{n}" for n in range(2, 1000))):
        path = base / f"{stamp}{suffix}"
        try:
            make_run_folder(path)
        except FileExistsError:
            continue
        return path
    raise FileExistsError(base / stamp)


def folder_name(cell_id: str) -> str:
    """A cell's id as one file name: readable, inside the folder, and no other cell's.

    Ids made of plain characters keep them; of any other the end is kept, with a digest.
    """
    name = cell_id.replace("::", "--")
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._+@~\[\]-]{0,199}", name) and "--" not in cell_id:
        return name
    plain = re.sub(r"[^A-Za-z0-9._+@~\[\]-]+", "_", cell_id)[-180:]
    return f"cell_{plain}_{hashlib.sha256(cell_id.encode('utf-8', 'replace')).hexdigest()[:12]}"


@contextmanager
def host_errors(path: Path) -> Iterator[None]:
    """Raises InfrastructureError where a file of the results cannot be written."""
    try:
        yield
    except OSError as exc:
        raise InfrastructureError(f"results cannot be written to {path}: {exc}") from exc


class CellFolder:
    """One cell's files: console.log, steps.jsonl, qemu.json, dmesg.txt, config.

    ``running`` says what happens, for whoever watches. Every method raises
    InfrastructureError where the disk takes nothing more.
    """

    def __init__(self, run_directory: Path, cell_id: str) -> None:
        self.path = run_directory / folder_name(cell_id)
        self.running = RunningNote(run_directory, cell_id.partition("::")[2], self.path.name)
        with host_errors(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
        self.attempt(1)

    def attempt(self, number: int) -> None:
        """Begin an attempt; what an earlier one left is kept with its number."""
        with host_errors(self.path):
            if number == 1:
                self._empty()
                return
            for name in _OF_AN_ATTEMPT:
                path = self.path / name
                if path.exists():
                    path.rename(path.with_stem(f"{path.stem}-attempt{number - 1}"))

    def _empty(self) -> None:
        """Nothing of an earlier run into the same folder is taken for this one's."""
        for name in map(Path, _OF_AN_ATTEMPT):
            for path in self.path.glob(f"{name.stem}*{name.suffix}"):
                if re.fullmatch(rf"{name.stem}(-attempt\d+)?", path.stem):
                    path.unlink()
        (self.path / STEPS_FILE).touch()

    @property
    def console_log(self) -> Path:
        return self.path / CONSOLE_FILE

    def step(self, result: StepResult) -> None:
        """Append one step: commands, output, observation, prediction, verdict."""
        with (
            host_errors(self.path),
            (self.path / STEPS_FILE).open("a", encoding="utf-8") as file,
        ):
            file.write(json.dumps(step_to_json(result)) + "\n")

    def write(self, name: str, text: str) -> None:
        with host_errors(self.path):
            (self.path / name).write_text(text, encoding="utf-8", errors="backslashreplace")


def step_to_json(result: StepResult) -> dict[str, Any]:
    """One line of steps.jsonl."""
    return {
        "step": result.step,
        "verdict": "mismatch" if result.mismatches else "ok",
        "observation": dict(result.observation.values),
        "prediction": [expected_to_json(item) for item in result.prediction.expected],
        "mismatches": [mismatch.expected.name for mismatch in result.mismatches],
        "intended": [mismatch.expected.name for mismatch in result.intended],
        "commands": [asdict(command) for command in result.observation.commands],
    }


def expected_to_json(expected: Expected) -> dict[str, Any]:
    """One predicted value with its rule, so that a folder explains itself later as well."""
    return {
        "name": expected.name,
        "relation": expected.relation,
        "value": expected.value,
        "rule": expected.rule.id,
        "statement": expected.rule.statement,
        "source": expected.rule.source,
        "defect": expected.rule.defect,
        "because": expected.because,
    }


def step_from_json(data: Mapping[str, Any]) -> StepResult:
    """The inverse of :func:`step_to_json`. Raises KeyError, TypeError or ValueError."""
    expected = tuple(_expected_from_json(item) for item in data["prediction"])
    observation = Observation(
        str(data["step"]),
        dict(data["observation"]),
        tuple(map(_command_from_json, data["commands"])),
    )

    def differing(names: Iterable[str]) -> tuple[Mismatch, ...]:
        chosen = set(names)
        return tuple(
            Mismatch(observation.step, item, observation.values.get(item.name))
            for item in expected
            if item.name in chosen
        )

    return StepResult(
        observation.step,
        observation,
        Prediction(observation.step, expected),
        differing(data["mismatches"]),
        differing(data.get("intended", ())),
    )


def _command_from_json(data: Mapping[str, Any]) -> CommandRecord:
    return CommandRecord(
        command=str(data["command"]),
        status=int(finite(data["status"])),
        stdout=str(data["stdout"]),
        stderr=str(data["stderr"]),
        seconds=finite(data["seconds"]),
    )


def _expected_from_json(data: Mapping[str, Any]) -> Expected:
    statement, source = (str(data.get(name, "")) for name in ("statement", "source"))
    rule = Rule(str(data["rule"]), statement, source, bool(data.get("defect", False)))
    name, because = str(data["name"]), str(data["because"])
    return Expected(name, data["value"], rule, data["relation"], because)


def finite(number: Any) -> float:
    """A number as JSON has them. Raises TypeError or ValueError for any other."""
    try:
        found = float(number)
    except OverflowError as exc:
        raise ValueError("a number without end") from exc
    if not math.isfinite(found):
        raise ValueError(f"{found} is no number of anything")
    return found


def cell_to_json(result: CellResult) -> dict[str, Any]:
    """One entry of ``cells`` in run.json."""
    idle = idle_note(result)
    return {
        "id": result.id,
        "scenario": result.scenario,
        "target": result.target,
        "kernel": result.kernel,
        "revision": result.revision,
        "config": list(result.config),
        "verdict": result.verdict.value,
        "reason": result.reason,
        "seconds": round(result.seconds, 3),
        "guest_seconds": round(result.guest_seconds, 3),
        "compared": result.compared,
        "observed": sum(len(step.observation.values) for step in result.steps),
        "rules": list(result.rules),
        "known_defects": [
            {"rule": rule.id, "statement": rule.statement} for rule in result.known_defects
        ],
        "phase": result.phase,
        "patch": asdict(result.patch) if result.patch else None,
        "comparison": _comparison_to_json(result),
        "report": result.report.title if result.report else None,
        "report_details": _report_to_json(result.report) if result.report else None,
        "retried": result.retried,
        "cells_before": len(result.cells_before),
        "note": "; ".join(filter(None, (result.note, idle))),
        "idle": idle,
        "folder": folder_name(result.run_id),
    }


def entry_to_json(result: CellResult, *, file: str, line: int, reproduce: str) -> dict[str, Any]:
    """The same with the scenario's place, and the command that runs the cell again."""
    return {**cell_to_json(result), "file": file, "line": line, "reproduce": reproduce}


def _comparison_to_json(result: CellResult) -> dict[str, Any] | None:
    comparison = result.comparison
    if comparison is None:
        return None
    return {
        "word": comparison.word.value,
        "base": {
            "patch": comparison.base.position,
            "verdict": comparison.base_verdict.value,
            "reason": comparison.base_reason,
        },
        "patch": result.patch.position if result.patch else None,
        "patch_subject": result.patch.subject if result.patch else None,
        "differences": [asdict(difference) for difference in comparison.differences],
        "times": [asdict(ratio) for ratio in comparison.times],
        "intended": [asdict(fulfilment) for fulfilment in comparison.intended],
        "lost": list(comparison.lost),
        "defects_new": list(comparison.defects_new),
        "defects_gone": list(comparison.defects_gone),
    }


def _report_to_json(report: KernelReport) -> dict[str, Any]:
    details = asdict(report)
    del details["text"]
    return details
