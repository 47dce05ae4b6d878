"""Harm to QEMU as a process of the host: killed, stopped, or frozen with the harness."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace

from tests.faults.judge import KERNELS, never
from tests.faults.run import Run
from tests.faults.trial import Surroundings, Trial

# Cells of two guests, which run at once.
ABREAST = ("--guests", "2")
ABREAST_SCENARIO, ABREAST_CELLS = "two", 6

# Deadlines of 12 s; a boot takes 2 s of an idle host.
SHORT_PATIENCE = ("--patience", "0.2")
_SHORT_DEADLINE_SECONDS = 12.0


def kill(rng: random.Random, here: Surroundings) -> Trial:
    """kill -9 of QEMU, once or twice; of two where two run at once."""
    guests = rng.choice((1, 2))
    moments = [rng.uniform(0.0, here.guest_seconds) for _ in range(rng.choice((1, 1, 2)))]

    def act(run: Run) -> None:
        for moment in moments:
            run.wait_for_guest()
            run.sleep(moment)
            send(run.workspace.guests(), signal.SIGKILL)

    trial = Trial(
        what=f"QEMU is killed {told(moments)} after it came",
        act=act,
        expected=never(*KERNELS, and_at_most=guests * (len(moments) - 1)),
    )
    return trial if guests == 1 else abreast(trial)


def stop(rng: random.Random, here: Surroundings) -> Trial:
    """kill -STOP of QEMU, which then answers nothing."""
    moment = rng.uniform(0.0, here.guest_seconds)

    def act(run: Run) -> None:
        run.wait_for_guest()
        run.sleep(moment)
        send(run.workspace.guests(), signal.SIGSTOP)

    return Trial(
        what=f"QEMU is stopped {told([moment])} after it came, for good",
        act=act,
        arguments=SHORT_PATIENCE,
        expected=never(*KERNELS, and_at_most=0),
    )


def pause(rng: random.Random, here: Surroundings) -> Trial:
    """QEMU alone does not run for a while, for longer than a kernel's patience at times."""
    guests = rng.choice((1, 2))
    moment = rng.uniform(0.0, here.guest_seconds)
    length = rng.choice((rng.uniform(0.5, 6.0), rng.uniform(20.0, 40.0)))

    def act(run: Run) -> None:
        run.wait_for_guest()
        run.sleep(moment)
        guests = run.workspace.guests()
        send(guests, signal.SIGSTOP)
        run.sleep(length)
        send(guests, signal.SIGCONT)

    trial = Trial(
        what=f"QEMU is stopped {told([moment])} after it came, for {length:.1f} s",
        act=act,
        expected=never(*KERNELS, and_at_most=0),
    )
    return trial if guests == 1 else abreast(trial)


def freeze(rng: random.Random, here: Surroundings) -> Trial:
    """Harness and QEMU do not run for longer than any deadline: a suspended host."""
    moment = rng.uniform(0.0, here.guest_seconds)
    length = _SHORT_DEADLINE_SECONDS * rng.uniform(1.1, 4.0)

    def act(run: Run) -> None:
        run.wait_for_guest()
        run.sleep(moment)
        frozen = list(run.workspace.processes())
        send(frozen, signal.SIGSTOP)
        run.sleep(length)
        send(frozen, signal.SIGCONT)

    return Trial(
        what=f"everything is stopped {told([moment])} after QEMU came, for {length:.1f} s",
        act=act,
        arguments=SHORT_PATIENCE,
        expected=never(*KERNELS, and_at_most=0),
    )


def abreast(trial: Trial) -> Trial:
    """The same where two guests run at once."""
    return replace(
        trial,
        what=f"{trial.what} {' '.join(ABREAST)}",
        arguments=(*trial.arguments, *ABREAST),
        scenario=ABREAST_SCENARIO,
        cells=None if trial.cells is None else ABREAST_CELLS,
    )


def send(processes: Iterable[int], number: signal.Signals) -> None:
    for pid in processes:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def told(moments: Iterable[float]) -> str:
    return " and ".join(f"{moment:.2f} s" for moment in moments)
