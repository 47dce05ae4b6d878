"""Does a wrong model get caught? Runs guests, then holds mistaken models against them.

    .venv/bin/python -m tests.teeth [--arch TARGET] [--kernel SPEC] [-- pytest options]
    .venv/bin/python -m tests.teeth --results FOLDER...     # runs that were made already

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
from harness.progress import Progress
from harness.report.results import new_run_directory
from harness.store import Store
from tests.teeth.replay import SCENARIOS, Difference, Recording, load_recordings
from tests.teeth.values import MISTAKES, Said
from tests.teeth.variants import BEYOND_GUESTS, VARIANTS
from tests.teeth.wrong import Variant


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.teeth", description=__doc__)
    parser.add_argument("--arch", default="all", metavar="TARGET")
    parser.add_argument("--kernel", default="debian:6.1", metavar="SPEC")
    parser.add_argument(
        "--results", type=Path, nargs="+", metavar="FOLDER", help="use these runs, boot nothing"
    )
    parser.add_argument("pytest", nargs="*", help="options for pytest, after --")
    options = parser.parse_args()
    folders = options.results or [_record(options)]
    recordings = [recording for folder in folders for recording in _load(folder)]
    wrong = _differences(recordings)
    for difference in wrong:
        print(f"the model itself is off: {difference.rule}: {difference.value}")
    shown = {rule for recording in recordings for rule in recording.rules.values()}
    refuted = [_refuted(mistake, shown, recordings) for mistake in (*VARIANTS, *MISTAKES)]
    untouched = sorted(shown - set().union(*filter(None, refuted)))
    for rule in untouched:
        print(f"MISSED  no mistake about {rule} was made and caught")
    for rule, reason in BEYOND_GUESTS.items():
        print(f"beyond guests: {rule}: {reason}")
    tried = [found for found in refuted if found is not None]
    print(f"{sum(map(bool, tried))} of {len(tried)} mistakes caught")
    return 1 if untouched or wrong or not all(tried) or not recordings else 0


def _load(folder: Path) -> list[Recording]:
    kernel = json.loads((folder / "run.json").read_text(encoding="utf-8"))["kernel"]
    recordings = load_recordings(folder, Provider(Store.default(), kernel, Progress()))
    steps = sum(len(recording.observations) for recording in recordings)
    print(f"{len(recordings)} cells, {steps} steps of {kernel} in {folder}")
    return recordings


def _record(options: argparse.Namespace) -> Path:
    results = new_run_directory(Path("results"))
    command = [sys.executable, "-m", "pytest", str(SCENARIOS), "--arch", options.arch]
    command += ["--kernel", options.kernel, "--results", str(results), *options.pytest]
    subprocess.run(command, check=False)
    return results


def _refuted(
    mistake: Variant | Said, shown: set[str], recordings: list[Recording]
) -> set[str] | None:
    """Rules whose values a guest of the run showed to be wrong; None where it shows none."""
    if not shown & set(mistake.rules):
        print(f"        {mistake.mistake}: no guest of this run shows it")
        return None
    with mistake.apply():
        found = Counter(difference.rule for difference in _differences(recordings))
    words = ", ".join(f"{rule} {count}" for rule, count in found.most_common(4)) or "NOTHING"
    print(f"{'caught' if found else 'MISSED':8}{mistake.mistake}: {words}")
    return set(found)


def _differences(recordings: list[Recording]) -> list[Difference]:
    return [difference for recording in recordings for difference in recording.differences()]


if __name__ == "__main__":
    sys.exit(main())
