"""Signals to the harness itself: pytest alone, its xdist worker, all of them at once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace

from tests.faults.judge import KERNELS, never
from tests.faults.kinds.process import ABREAST, abreast, send, told
from tests.faults.run import ROOT, Run
from tests.faults.trial import Surroundings, Trial

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL)
_XDIST = ("-n", "1")
_START_SLACK_SECONDS = 1.5  # what xdist adds before there is a guest
_SWEEP = "from harness.machine.process import guest_directory\nwith guest_directory(): pass"


def signal_run(rng: random.Random, here: Surroundings) -> Trial:
    """pytest is told to end, alone, with a worker or two guests, once or by someone impatient."""
    number, workers = rng.choice(_SIGNALS), rng.choice(((), _XDIST, ABREAST))
    all_of_them = number is not signal.SIGKILL and rng.random() < 0.4
    slack = _START_SLACK_SECONDS if workers else 0.0
    moments = [rng.uniform(0.0, here.start_seconds + here.guest_seconds + slack)]
    if number is not signal.SIGKILL and rng.random() < 0.4:
        moments.append(rng.uniform(0.0, 1.0))

    def act(run: Run) -> None:
        for moment in moments:
            run.sleep(moment)
            with suppress(ProcessLookupError):
                kill = os.killpg if all_of_them else os.kill
                kill(run.process.pid, number)
        sweep(run)

    who = "every process" if all_of_them else "pytest"
    trial = Trial(
        what=f"{number.name} to {who} {told(moments)} after the start",
        act=act,
        cells=None,
        interrupted=len(moments) > 1,
        expected=never(*KERNELS, "infrastructure"),
    )
    if workers == ABREAST:
        return abreast(trial)
    return replace(trial, what=f"{trial.what} {' '.join(workers)}", arguments=workers)


def signal_worker(rng: random.Random, here: Surroundings) -> Trial:
    """A worker of xdist is told to end; the controller goes on."""
    number, moment = rng.choice(_SIGNALS), rng.uniform(0.0, here.guest_seconds)

    def act(run: Run) -> None:
        run.wait_for_guest()
        run.sleep(moment)
        send(_workers(run), number)
        sweep(run)

    killed = number is signal.SIGKILL
    return Trial(
        what=f"{number.name} to xdist's worker {told([moment])} after QEMU came",
        act=act,
        arguments=_XDIST,
        cells=3 if killed else None,  # any other signal ends the run, as Ctrl-C does
        expected=never(*KERNELS, and_at_most=1),
    )


def _workers(run: Run) -> list[int]:
    return [
        pid
        for pid, command in run.workspace.processes().items()
        if pid != run.process.pid and "sys.stdin.readline" in command
    ]


def sweep(run: Run) -> None:
    """What a kill -9 leaves behind, the next run takes away."""
    run.wait_for_end(60.0)
    run.settle()
    environment = {**os.environ, "TMPDIR": str(run.workspace.temporary)}
    subprocess.run((sys.executable, "-c", _SWEEP), cwd=ROOT, env=environment, check=True)
