"""Does a wrong model get caught? Runs guests, then holds mistaken models against them.

    .venv/bin/python -m tests.teeth [--arch TARGET] [--kernel SPEC] [-- pytest options]
    .venv/bin/python -m tests.teeth --results FOLDER        # a run that was made already

Ends with 1 where a mistake went unnoticed, or where the right model is off by itself.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

from harness.campaign.provide import Provider
from harness.model.rule_table import TABLE
from harness.progress import Progress
from harness.report.results import new_run_directory
from harness.store import Store
from tests.teeth.replay import SCENARIOS, Difference, Recording, load_recordings
from tests.teeth.variants import BEYOND_GUESTS, VARIANTS, Variant

_FAMILIES = [
    "kconfig",
    "feature",
    "memory",
    "hash",
    "numa",
    "region",
    "align",
    "ndctl",
    "ns",
    "btt",
    "vmemmap",
    "memmap",
]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.teeth", description=__doc__)
    parser.add_argument("--arch", default="all", metavar="TARGET")
    parser.add_argument("--kernel", default="debian:6.1", metavar="SPEC")
    parser.add_argument("--results", type=Path, help="use this run, boot nothing")
    parser.add_argument("pytest", nargs="*", help="options for pytest, after --")
    options = parser.parse_args()
    results = options.results or _record(options)
    kernel = json.loads((results / "run.json").read_text(encoding="utf-8"))["kernel"]
    recordings = load_recordings(results, Provider(Store.default(), kernel, Progress()))
    steps = sum(len(recording.observations) for recording in recordings)
    print(f"{len(recordings)} cells, {steps} steps of {kernel} in {results}")
    wrong = _differences(recordings)
    for difference in wrong:
        print(f"the model itself is off: {difference.rule}: {difference.value}")
    shown = {rule for recording in recordings for rule in recording.rules.values()}
    refuted = [_refuted(variant, shown, recordings) for variant in VARIANTS]
    untouched = sorted(shown & _creation_rules() - set().union(*filter(None, refuted)))
    for rule in untouched:
        print(f"MISSED  no mistake about {rule} was made and caught")
    for rule, reason in BEYOND_GUESTS.items():
        print(f"beyond guests: {rule}: {reason}")
    tried = [found for found in refuted if found is not None]
    print(f"{sum(map(bool, tried))} of {len(tried)} mistakes caught")
    return 1 if untouched or wrong or not all(tried) or not recordings else 0


def _record(options: argparse.Namespace) -> Path:
    results = new_run_directory(Path("results"))
    files = sorted(str(path) for path in SCENARIOS.glob("model*.yaml"))
    files += [str(SCENARIOS / "kconfig.yaml")]
    command = [sys.executable, "-m", "pytest", *files, "--arch", options.arch]
    command += ["--kernel", options.kernel, "--results", str(results), *options.pytest]
    subprocess.run(command, check=False)
    return results


def _refuted(variant: Variant, shown: set[str], recordings: list[Recording]) -> set[str] | None:
    """Rules whose values a guest of the run showed to be wrong; None where it shows none."""
    if not shown & set(variant.rules):
        print(f"        {variant.mistake}: no guest of this run shows it")
        return None
    with variant.apply():
        found = Counter(difference.rule for difference in _differences(recordings))
    words = ", ".join(f"{rule} {count}" for rule, count in found.most_common(4)) or "NOTHING"
    print(f"{'caught' if found else 'MISSED':8}{variant.mistake}: {words}")
    return set(found)


def _creation_rules() -> set[str]:
    """Rules of what this is about: regions, namespaces, struct pages, nodes, availability."""
    return {rule.id for rule in TABLE if rule.id.partition(".")[0] in _FAMILIES}


def _differences(recordings: list[Recording]) -> list[Difference]:
    return [difference for recording in recordings for difference in recording.differences()]


if __name__ == "__main__":
    sys.exit(main())
