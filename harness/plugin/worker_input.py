"""What the controller of pytest-xdist tells its workers, and how a process knows which it is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

_KEY: Final = "daxhound"


@dataclass(frozen=True, slots=True)
class WorkerInput:
    """Where results go, and what the kernel's name stood for at the run's start, if known."""

    run_directory: Path
    pinned_kernel: str

    def put(self, workerinput: dict[str, Any]) -> None:
        """For a worker that is about to start; pytest-xdist sends plain values alone."""
        workerinput[_KEY] = [str(self.run_directory), self.pinned_kernel]

    @classmethod
    def of(cls, config: pytest.Config) -> WorkerInput | None:
        """What this process was told; None for a controller, and for one without workers."""
        if not is_worker(config):
            return None
        run_directory, pinned_kernel = getattr(config, "workerinput")[_KEY]  # noqa: B009
        return cls(Path(run_directory), pinned_kernel)


def is_worker(config: pytest.Config) -> bool:
    """Whether this is a worker of pytest-xdist."""
    return hasattr(config, "workerinput")
