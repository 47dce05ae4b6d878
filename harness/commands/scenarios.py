"""``daxhound scenarios`` and ``daxhound predict``: what there is to run, and what it must show."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from harness.commands.named import named_scenarios
from harness.commands.parser import (
    add_arch,
    add_command,
    add_config,
    add_json,
    add_kernel,
    add_scenario,
)
from harness.kernel.fragments import select_fragments
from harness.scenario.expand import expand
from harness.scenario.find import all_scenarios, cells_on
from harness.scenario.schema import Scenario
from harness.shipped import shown
from harness.target import Target, load_targets, select_targets

if TYPE_CHECKING:
    from harness.commands.parser import Commands


def add_commands(commands: Commands) -> None:
    """The two subcommands."""
    summary = "the scenarios that are shipped"
    examples = ("scenarios", "scenarios --arch s390x --json")
    command = add_command(commands, "scenarios", summary, _scenarios, *examples)
    add_arch(command)
    add_json(command)

    summary = "what the model expects, and which rule says so"
    told = (
        "predict devdax-map-mem --arch ppc64-hash --explain",
        "predict devdax-pud --kernel debian:6.12 --json",
        "predict my/odd.yaml::odd --arch x86_64",
    )
    command = add_command(commands, "predict", summary, _predict, *told)
    add_scenario(command, "scenario", "a name, a pattern such as 'gup-*', or FILE.yaml")
    add_arch(command)
    add_kernel(command)
    add_config(command)
    command.add_argument("--explain", action="store_true", help="show each derivation")
    add_json(command)


def _scenarios(options: argparse.Namespace) -> int:
    chosen = {t.name: t for t in select_targets(options.arch or ["all"], load_targets())}
    entries = [entry for s in all_scenarios() if (entry := _entry(s, chosen))["cells"]]
    if options.json:
        print(json.dumps(entries, indent=1))
        return 0
    file = None
    for entry in entries:
        if entry["file"] != file:
            file = entry["file"]
            print(file)
        print(f"  {entry['name']}: {entry['summary']}")
        where = "all targets" if set(entry["targets"]) == set(chosen) else None
        print(f"      {where or ', '.join(entry['targets'])}; {entry['cells']} cells", end="")
        print("; core" if entry["core"] else "", end="")
        told = (f"{k} {', '.join(map(str, v))}" for k, v in entry["parameters"].items())
        print("".join(f"; {text}" for text in told))
    return 0


def _entry(scenario: Scenario, targets: Mapping[str, Target]) -> dict[str, Any]:
    cells = list(expand(scenario, targets))
    return {
        "file": shown(scenario.path),
        "line": scenario.document.line(("scenario",)),
        "name": scenario.name,
        "summary": scenario.body.summary,
        "core": scenario.body.core,
        "targets": list(dict.fromkeys(cell.target.name for cell in cells)),
        "parameters": {name: list(values) for name, values in scenario.body.parameters.items()},
        "cells": len(cells),
    }


def _predict(options: argparse.Namespace) -> int:
    from harness.campaign.predict import predict_cells, render_predictions

    known = load_targets()
    targets = {t.name: t for t in select_targets(options.arch or ["all"], known)}
    config = select_fragments(options.config)
    cells = cells_on(targets, named_scenarios(options.scenario, known), known, config)
    predictions = predict_cells(cells, options.kernel)
    print(render_predictions(predictions, explain=options.explain, as_json=options.json))
    if not options.json:
        print(f"(facts of {options.kernel} from its source or version; nothing was built)")
    return 0
