"""One cell from an order to a result: provided for, tried, and tried again where in doubt."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

from harness.campaign.attempt import Attempt, RunOptions
from harness.campaign.configured import resolve_steps
from harness.campaign.order import Order
from harness.campaign.pool import GuestPool
from harness.campaign.provide import Needs, Provides
from harness.compare import first_difference
from harness.errors import InfrastructureError, KernelFailure
from harness.records import CellResult, Layout, StepResult, Verdict
from harness.report.results import CellFolder
from harness.share import whole_memory
from harness.units import align_down, count, format_size


class CellRunner:
    """Runs cells and writes down what happens as it happens."""

    def __init__(
        self, provider: Provides, options: RunOptions, run_directory: Path, pool: GuestPool
    ) -> None:
        self.provider = provider
        self.options = options
        self.run_directory = run_directory
        self.pool = pool

    def run(self, order: Order) -> CellResult:
        """The cell's result.

        The host's trouble is tried once more, in a new guest, unless the guest is larger than the
        host, which is known beforehand. What a guest showed that had
        run other cells counts once a new guest shows it as well; a kernel's own report
        counts wherever it was seen. Raises UserError for a kernel or configuration that
        cannot be had.
        """
        try:
            folder = CellFolder(self.run_directory, order.id)
            try:
                return self._run(order, folder)
            finally:
                folder.running.remove()
        except InfrastructureError as exc:  # of the folder: a cell without one cannot be tried
            return unbuilt(order, self.provider.kernel_name, Verdict.INFRASTRUCTURE, str(exc))

    def _run(self, order: Order, folder: CellFolder) -> CellResult:
        if order.cell.needs_guest and (why := _why_no_room(order.cell.layout)):
            kernel = self.provider.kernel_name
            return unbuilt(order, kernel, Verdict.INFRASTRUCTURE, why, "boot")
        result = self._attempt(order, folder, fresh=False)
        if result.verdict is Verdict.INFRASTRUCTURE:
            folder.attempt(2)
            again = self._attempt(order, folder, fresh=True)
            note = f"tried again; the first try came to {result.verdict}: {result.reason}"
            return replace(again, retried=True, note=note)
        if not result.is_expected and result.cells_before:
            return _confirmed(result, self._in_new_guest(order, folder))
        return result

    def _in_new_guest(self, order: Order, folder: CellFolder) -> CellResult:
        """What a new guest shows of what a used one did; the host gets a second chance."""
        for number in (2, 3):
            folder.attempt(number)
            result = self._attempt(order, folder, fresh=True)
            if result.verdict is not Verdict.INFRASTRUCTURE:
                break
        return result

    def _attempt(self, order: Order, folder: CellFolder, *, fresh: bool) -> CellResult:
        started = time.monotonic()
        cell, kernel = order.cell, self.provider.kernel_name
        folder.running.write("build")
        if not cell.needs_guest:
            return replace(self._configured(order, folder), seconds=time.monotonic() - started)
        try:
            provisions = self.provider.provide(Needs.of(cell, order.patches))
        except InfrastructureError as exc:
            result = unbuilt(order, kernel, Verdict.INFRASTRUCTURE, str(exc))
        except KernelFailure as exc:
            result = unbuilt(order, kernel, Verdict.KERNEL_FAILURE, str(exc))
        else:
            root = self.provider.store.root
            attempt = Attempt(cell, provisions, self.options, folder, root, order.intentions)
            verdict, reason, report = attempt.judge(self.pool, fresh=fresh, keep=order.followed)
            result = replace(
                unbuilt(order, kernel, verdict, reason),
                phase=attempt.phase,
                kernel=provisions.kernel.release,
                revision=provisions.kernel.revision,
                guest_seconds=attempt.guest_seconds,
                steps=tuple(attempt.results),
                report=report,
                cells_before=attempt.cells_before,
                lost=provisions.kernel.facts.lost,
            )
        return replace(result, seconds=time.monotonic() - started)

    def _configured(self, order: Order, folder: CellFolder) -> CellResult:
        """The result of a cell without a guest."""
        kernel = self.provider.kernel_name
        results: list[StepResult] = []
        try:
            results += resolve_steps(order, self.provider, folder)
        except InfrastructureError as exc:
            return unbuilt(order, kernel, Verdict.INFRASTRUCTURE, str(exc))
        except KernelFailure as exc:
            return unbuilt(order, kernel, Verdict.KERNEL_FAILURE, str(exc))
        found = next((text for text in map(first_difference, results) if text is not None), "")
        verdict = Verdict.MISMATCH if found else Verdict.OK
        result = unbuilt(order, kernel, verdict, found, "configuration")
        return replace(result, steps=tuple(results))


def _why_no_room(layout: Layout) -> str | None:
    """Why no guest of that layout can start here, however often it is tried; None where it can."""
    wanted, whole = layout.ram_bytes, whole_memory()
    if not whole or wanted <= whole:
        return None
    has = format_size(align_down(whole, 1 << 30) or whole)
    return f"the guest wants {format_size(wanted)} of memory, this host has {has}"


def unbuilt(
    order: Order, kernel: str, verdict: Verdict, reason: str, phase: str = "build"
) -> CellResult:
    """A result before there is a guest; ``kernel`` as it was asked for."""
    return CellResult(
        id=order.id,
        scenario=order.cell.scenario,
        target=order.cell.target.name,
        kernel=kernel,
        verdict=verdict,
        reason=reason,
        seconds=0.0,
        guest_seconds=0.0,
        phase=phase,
        config=order.cell.config,
        patch=order.prefix.label if order.prefix else None,
    )


def _confirmed(used: CellResult, new: CellResult) -> CellResult:
    """A failure in a used guest, in the light of what a new one did."""
    others = count(len(used.cells_before), "other cell")
    if not new.is_expected and new.verdict is not Verdict.INFRASTRUCTURE:
        return replace(new, note=f"seen after {others} in one guest, and then in a new one")
    if used.verdict is Verdict.KERNEL_FAILURE:
        told = "did not show it" if new.is_expected else f"could not be asked: {new.reason}"
        return replace(used, note=f"seen after {others} in one guest; a new one {told}")
    return replace(new, note=f"after {others} in one guest it was a {used.verdict}: {used.reason}")
