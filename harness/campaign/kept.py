"""Results that stand: a cell is run once on each kernel of a series, whoever asks again.

Kept under a digest of all that a result depends on, the harness itself included. A host's
trouble is no result and is never kept.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
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
        with self._alone(order):
            return self._found(order, key) or self._made(order, key)

    def _alone(self, order: Order) -> AbstractContextManager[None]:
        """Two workers of one run may want the same kernel of a cell, which has one folder."""
        name = digest(str(self._folder(order).absolute()))
        return self.runner.provider.store.lock(f"folder-{name}", f"runs {order.id}")

    def _found(self, order: Order, key: str) -> CellResult | None:
        entry = self.runner.provider.store.find(_KIND, key)
        if entry is None:
            return None
        folder = CellFolder(self.runner.run_directory, order.id)
        with host_errors(folder.path):
            shutil.copytree(entry, folder.path, dirs_exist_ok=True)
            kept = load_result((entry / _FILE).read_bytes())
        return replace(kept, id=order.id, patch=order.prefix.label if order.prefix else None)

    def _made(self, order: Order, key: str) -> CellResult:
        result = self.runner.run(order)
        if result.verdict is not Verdict.INFRASTRUCTURE:
            # A store that takes nothing more costs the next run its time, and none a verdict.
            with suppress(InfrastructureError):
                self.runner.provider.store.provide(_KIND, key, self._keeper(order, result))
        return result

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

    def _folder(self, order: Order) -> Path:
        return self.runner.run_directory / folder_name(order.id)

    def _keeper(self, order: Order, result: CellResult) -> Callable[[Path], None]:
        def build(into: Path) -> None:
            with host_errors(into):
                shutil.copytree(self._folder(order), into, dirs_exist_ok=True)
                (into / _FILE).write_bytes(dump_result(result))

        return build


def _identities(provisions: Provisions) -> tuple[str, ...]:
    """The keys of kernel, images and firmware, which name their folders."""
    return tuple(path.parent.name for path in provisions.files)


@cache
def harness_digest() -> str:
    """Of the code and templates that run and judge; a change makes every result a new one."""
    data = _HARNESS / "data"
    code = (path for path in _HARNESS.rglob("*.py") if not path.is_relative_to(data))
    return digest(*sorted(code), *sorted(TARGETS_DIR.glob("*.j2")))
