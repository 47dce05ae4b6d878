"""A handful of fault trials for every run of the tests; ``python -m tests.faults`` is the rest.

DAXHOUND_FAULT_SEED draws others than these.
"""

from __future__ import annotations

import os
import random

import pytest

from harness.campaign.provide import Needs, Provider
from harness.progress import Progress
from harness.store import Store
from harness.target import load_targets
from tests.faults.flood import flood
from tests.faults.kinds import KINDS
from tests.faults.trial import Surroundings, perform

pytestmark = pytest.mark.guest

SEED = os.environ.get("DAXHOUND_FAULT_SEED", "1")
HERE = Surroundings("x86_64")
# One for each side that can be harmed; none of them waits for a deadline.
SHORT = ("kill", "ssh-killed", "panic", "results-full", "signal-run", "image-damaged")


@pytest.fixture(scope="module", autouse=True)
def _kernel() -> None:
    """A trial must not have to wait for a kernel to be built."""
    Provider(Store.default(), "debian:6.1", Progress()).provide(Needs(load_targets()[HERE.target]))


@pytest.mark.parametrize("kind", SHORT)
def test_a_harmed_run_is_judged_rightly_and_leaves_nothing(kind: str) -> None:
    trial = KINDS[kind](random.Random(f"{SEED} {kind}"), HERE)
    outcome = perform(kind, trial, HERE)
    told = f"seed {SEED}: {outcome.what}\n{outcome.output}"
    assert not outcome.complaints, "\n".join([*outcome.complaints, told])


def test_a_console_without_end_is_not_held() -> None:
    """6 MiB are said; a few buffers may be held."""
    _, grown_kib = flood(6)
    assert grown_kib < 3 << 10
