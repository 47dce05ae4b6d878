"""Harm runs of the harness at random, so many times, and say what came of it.

    .venv/bin/python -m tests.faults --trials 50 --seed 7 [--only KIND] [--arch TARGET]

A trial is drawn from the seed and its own number alone: ``--seed 7 --first 12 --trials 1``
is the thirteenth of the above once more. The exit status is 1 where a trial found something.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections import Counter
from dataclasses import asdict
from pathlib import Path

from tests.faults.calibrate import calibrate
from tests.faults.kinds import KINDS, WEIGHTS
from tests.faults.trial import Outcome, Surroundings, perform


def main() -> int:
    options = _options()
    surroundings = (
        calibrate(options.arch) if not options.uncalibrated else Surroundings(options.arch)
    )
    print(
        f"{options.arch}: a guest after {surroundings.start_seconds:.1f} s, "
        f"its end {surroundings.guest_seconds:.1f} s later; seed {options.seed}",
        flush=True,
    )
    outcomes = []
    for number in range(options.first, options.first + options.trials):
        outcome = _perform(number, options, surroundings)
        outcomes.append(outcome)
        _tell(number, outcome)
        _keep(number, outcome, options)
    return _summarise(outcomes)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--trials", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, metavar="NUMBER")
    parser.add_argument("--only", action="append", choices=sorted(KINDS), metavar="KIND")
    parser.add_argument("--arch", default="s390x", metavar="TARGET")
    parser.add_argument("--uncalibrated", action="store_true", help="moments of a fast, idle host")
    parser.add_argument("--log", type=Path, help="append a line of JSON for each trial")
    return parser.parse_args()


def _perform(number: int, options: argparse.Namespace, surroundings: Surroundings) -> Outcome:
    rng = random.Random(f"{options.seed} {number}")
    names = options.only or sorted(KINDS)
    (name,) = rng.choices(names, [WEIGHTS.get(name, 1.0) for name in names])
    return perform(name, KINDS[name](rng, surroundings), surroundings)


def _tell(number: int, outcome: Outcome) -> None:
    state = "WRONG" if outcome.complaints else "right"
    verdicts = ", ".join(f"{count} {word}" for word, count in outcome.verdicts.items()) or "-"
    print(
        f"{number:4} {state} {outcome.kind}: {outcome.what}: {verdicts} "
        f"({outcome.seconds:.0f} s, {outcome.peak_mib} MiB)",
        flush=True,
    )
    for complaint in outcome.complaints:
        print(f"       {complaint}", flush=True)


def _keep(number: int, outcome: Outcome, options: argparse.Namespace) -> None:
    if options.log is None:
        return
    entry = {"number": number, "seed": options.seed, "arch": options.arch, **asdict(outcome)}
    if not outcome.complaints:
        del entry["output"]
    with options.log.open("a", encoding="utf-8") as file:
        file.write(json.dumps(entry) + "\n")


def _summarise(outcomes: list[Outcome]) -> int:
    wrong = Counter(outcome.kind for outcome in outcomes if outcome.complaints)
    print(f"{len(outcomes)} trials, {wrong.total()} wrong")
    for kind, count in sorted(Counter(outcome.kind for outcome in outcomes).items()):
        print(f"  {kind:16} {count:4} trials, {wrong[kind]} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
