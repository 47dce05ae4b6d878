"""How long a run takes that nobody harms: moments are drawn from that."""

from __future__ import annotations

import time

from tests.faults.judge import complaints, exactly
from tests.faults.run import Run
from tests.faults.trial import RUN_SECONDS, Surroundings
from tests.faults.workspace import Workspace


def calibrate(target: str) -> Surroundings:
    """Raises RuntimeError where not even an undisturbed run is as it must be."""
    workspace = Workspace()
    try:
        with Run(workspace, target, arguments=("--results", str(workspace.results))) as run:
            run.wait_for_guest(RUN_SECONDS)
            came = time.monotonic()
            run.wait_for_end(RUN_SECONDS)
            went = time.monotonic()
            run.settle()
            wrong = list(complaints(run, exactly("ok", 0), cells=3))
            if wrong:
                raise RuntimeError("\n".join([*wrong, run.output]))
            return Surroundings(target, came - run.started, went - came)
    finally:
        workspace.remove()
