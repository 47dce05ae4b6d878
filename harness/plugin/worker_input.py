"""What the controller of pytest-xdist tells its workers, and how a process knows which it is."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from harness.records import Intention
from harness.series.patch import Series

_KEY: Final = "daxhound"


@dataclass(frozen=True, slots=True)
class WorkerInput:
    """Where results go, what the kernel's name stood for at the run's start, if known, and patches.

    A file of patches may be edited, and a branch move on, before the last worker starts: another
    takes the place of each that is killed. A pipe can be read once.
    """

    run_directory: Path
    pinned_kernel: str
    series: Series | None
    intentions: tuple[Intention, ...]

    def put(self, workerinput: dict[str, Any]) -> None:
        """For a worker that is about to start; pytest-xdist sends plain values alone."""
        patches = pickle.dumps((self.series, self.intentions))
        workerinput[_KEY] = [str(self.run_directory), self.pinned_kernel, patches]

    @classmethod
    def of(cls, config: pytest.Config) -> WorkerInput | None:
        """What this process was told; None for a controller, and for one without workers."""
        if not is_worker(config):
            return None
        told = getattr(config, "workerinput")[_KEY]  # noqa: B009
        run_directory, pinned_kernel, patches = told
        return cls(Path(run_directory), pinned_kernel, *pickle.loads(patches))


def is_worker(config: pytest.Config) -> bool:
    """Whether this is a worker of pytest-xdist."""
    return hasattr(config, "workerinput")
