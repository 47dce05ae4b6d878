"""Harm to the connection between the harness and a guest that is well."""

from __future__ import annotations

import random

from tests.faults.judge import KERNELS, exactly, never
from tests.faults.kinds.process import SHORT_PATIENCE
from tests.faults.trial import Surroundings, Trial

_STEPS = 6
_KILL_DROPBEAR = "(sleep {delay:.2f}; killall -9 dropbear) >/dev/null 2>&1 &"
_KILL_SHELL = "(sleep {delay:.2f}; kill -9 $$) >/dev/null 2>&1 &"
_SSH = ("--transport", "ssh")


def line_cut(rng: random.Random, _here: Surroundings) -> Trial:
    """The harness' ends of the ports are closed."""
    at, delay, strikes = rng.randrange(_STEPS), rng.uniform(0.0, 0.6), rng.choice((1, 1, 2))
    return Trial(
        what=f"the ports are shut {delay:.2f} s into step {at}, {strikes} times",
        inside={"at": str(at), "deed": "cut", "delay": delay, "strikes": strikes},
        expected=never(*KERNELS, and_at_most=strikes - 1),
    )


def shell_killed(rng: random.Random, _here: Surroundings) -> Trial:
    """The guest's shell is gone, and nothing else in the guest."""
    at, delay, strikes = rng.randrange(_STEPS), rng.uniform(0.0, 0.6), rng.choice((1, 1, 2))
    return Trial(
        what=f"the shell is killed {delay:.2f} s into step {at}, {strikes} times",
        inside={"at": str(at), "command": _KILL_SHELL.format(delay=delay), "strikes": strikes},
        expected=never(*KERNELS, and_at_most=strikes - 1),
    )


def ssh_cut(rng: random.Random, _here: Surroundings) -> Trial:
    """The harness' end of the connection is gone."""
    at, delay, strikes = rng.randrange(_STEPS), rng.uniform(0.0, 0.6), rng.choice((1, 1, 2))
    return Trial(
        what=f"the socket is shut {delay:.2f} s into step {at}, {strikes} times",
        inside={"at": str(at), "deed": "cut", "delay": delay, "strikes": strikes},
        arguments=_SSH,
        expected=never(*KERNELS, and_at_most=strikes - 1),
    )


def ssh_killed(rng: random.Random, _here: Surroundings) -> Trial:
    """The guest's end of the connection is gone, and nothing else in the guest."""
    at, delay, strikes = rng.randrange(_STEPS), rng.uniform(0.0, 0.6), rng.choice((1, 1, 2))
    command = _KILL_DROPBEAR.format(delay=delay)
    return Trial(
        what=f"dropbear is killed {delay:.2f} s into step {at}, {strikes} times",
        inside={"at": str(at), "command": command, "strikes": strikes},
        arguments=_SSH,
        expected=never(*KERNELS, and_at_most=strikes - 1),
    )


def unplugged(rng: random.Random, _here: Surroundings) -> Trial:
    """Nothing is closed, but no packet comes through any more."""
    at, strikes = rng.randrange(_STEPS), rng.choice((1, 1, 2))
    expected = exactly("infrastructure", 1) if strikes == 2 else exactly("ok", 0)
    return Trial(
        what=f"the network cable is out in step {at}, {strikes} times",
        inside={"at": str(at), "deed": "unplug", "strikes": strikes},
        arguments=(*SHORT_PATIENCE, *_SSH),
        expected=expected,
    )
