"""Results that stand: a cell is run once on each kernel of a series, whoever asks again.

Kept under a digest of all that a result depends on, the harness itself included. A host's
trouble is no result and is never kept.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from functools import cache
from pathlib import Path

from harness.campaign.cell import CellRunner
from harness.campaign.order import Order
from harness.campaign.provide import Needs, Provisions
from harness.campaign.result_json import dump_result, load_result
from harness.errors import InfrastructureError, KernelFailure
from harness.machine.versions import find_emulator
from harness.records import CellResult, Verdict
from harness.report.results import CellFolder, folder_name, host_errors
from harness.store import digest
from harness.target import TARGETS_DIR

_KIND = "result"
_FILE = "result.json"
_HARNESS = Path(__file__).resolve().parents[1]


class KeptRunner:
    """Runs a cell where it has no result yet; else its files are this run's as well.

    ``fresh`` runs every cell again, and what comes out is not kept.
    """

    def __init__(self, runner: CellRunner, *, fresh: bool = False) -> None:
        self.runner = runner
        self.fresh = fresh

    def run(self, order: Order) -> CellResult:
        """The result of one run. Raises what ``CellRunner.run`` raises."""
        key = None if self.fresh else self._key(order)
        if key is None:
            return self.runner.run(order)
        made = _Making(self.runner, order)
        try:
            # Two workers of one run may want the same kernel of a cell: the second one waits.
            entry = self.runner.provider.store.provide(_KIND, key, made)
        except (_NoResult, InfrastructureError):
            if made.begun and made.result is None:
                raise
            # Of a store that takes nothing more no verdict depends.
            return made.result or self.runner.run(order)
        return made.result or self._found(order, entry)

    def _found(self, order: Order, entry: Path) -> CellResult:
        folder = CellFolder(self.runner.run_directory, order.id)
        with host_errors(folder.path):
            shutil.copytree(entry, folder.path, dirs_exist_ok=True)
            kept = load_result((entry / _FILE).read_bytes())
        return replace(kept, id=order.id, patch=order.prefix.label if order.prefix else None)

    def _key(self, order: Order) -> str | None:
        """None for a kernel that cannot be had, or is not to be built: found out each time."""
        cell = order.cell
        if not cell.needs_guest:
            return None
        try:
            provisions = self.runner.provider.provide(Needs.of(cell, order.patches))
            emulator = find_emulator(cell.target.qemu.binary)
        except (InfrastructureError, KernelFailure):
            return None
        # Where the scenario stands, and what it is said to be for, changes no result.
        told = replace(cell, path=Path(cell.path.name), summary="")
        return digest(
            *(repr(told), repr(self.runner.options), str(order.repeat)),
            repr([replace(intention, where="") for intention in order.intentions]),
            *_identities(provisions),
            emulator.banner,
            harness_digest(),
        )


class _NoResult(Exception):
    """What a run came to says nothing of the kernel, and is not kept."""


class _Making:
    """The run of an order, by which an entry is made; its ``result`` stands, kept or not."""

    def __init__(self, runner: CellRunner, order: Order) -> None:
        self._runner = runner
        self._order = order
        self.begun = False
        self.result: CellResult | None = None

    def __call__(self, into: Path) -> None:
        self.begun = True
        self.result = self._runner.run(self._order)
        if self.result.verdict is Verdict.INFRASTRUCTURE:
            raise _NoResult
        with host_errors(into):
            folder = self._runner.run_directory / folder_name(self._order.id)
            shutil.copytree(folder, into, dirs_exist_ok=True)
            (into / _FILE).write_bytes(dump_result(self.result))


def _identities(provisions: Provisions) -> tuple[str, ...]:
    """The keys of kernel, images and firmware, which name their folders."""
    return tuple(path.parent.name for path in provisions.files)


@cache
def harness_digest() -> str:
    """Of the code and templates that run and judge; a change makes every result a new one."""
    data = _HARNESS / "data"
    code = (path for path in _HARNESS.rglob("*.py") if not path.is_relative_to(data))
    return digest(*sorted(code), *sorted(TARGETS_DIR.glob("*.j2")))
