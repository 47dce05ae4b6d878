"""One try at one cell: a guest, its steps, a verdict.

Who is to blame is decided here, by the exception's type.
"""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from harness.campaign.pool import GuestPool, PooledGuest, Wanted
from harness.campaign.provide import Provisions
from harness.campaign.supported import why_unsupported
from harness.compare import compare, first_difference, foretells, name_reports
from harness.deadline import seconds_stood_still
from harness.errors import InfrastructureError, KernelFailure, KernelReported
from harness.guest.boot import BootRequest, Guest, Transport
from harness.guest.steps import StepContext, run_step
from harness.ignore import NOTHING_IGNORED, IgnoreList
from harness.machine.speed import slowness
from harness.model import Machine, Model
from harness.model.vmemmap import why_never_optimised
from harness.observe.stalls import may_be_the_hosts
from harness.observe.ticks import has_lost_timer
from harness.records import (
    KERNEL_REPORT,
    Intention,
    KernelReport,
    Observation,
    Prediction,
    StepResult,
    Verdict,
)
from harness.report.results import DMESG_FILE, QEMU_FILE, CellFolder
from harness.scenario.expand import Cell
from harness.scenario.step import boot_arguments
from harness.scenario.steps import ABSENCE, Step

STEP_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What a person may turn: ``patience`` multiplies every deadline, as a slow host does.

    ``ignore`` are the kernel reports that are known already.
    """

    transport: Transport = "serial"
    patience: float = 1.0
    ignore: IgnoreList = NOTHING_IGNORED


class Attempt:
    """One lease of a guest for one cell, and what was learnt before it ended.

    ``cells_before`` are those that the same guest had run already.
    """

    def __init__(
        self,
        cell: Cell,
        provisions: Provisions,
        options: RunOptions,
        folder: CellFolder,
        store_root: Path,
        intentions: tuple[Intention, ...] = (),
    ) -> None:
        self.cell = cell
        self.intentions = intentions
        self.provisions = provisions
        self.options = options
        self.folder = folder
        self.store_root = store_root
        self.guest_seconds = 0.0
        self.phase = "boot"
        self.cells_before: tuple[str, ...] = ()
        self.results: list[StepResult] = []
        self.slowness = slowness()
        machine = Machine(cell.target, provisions.kernel.facts, cell.layout)
        self.model = Model(machine)
        self.context = StepContext(
            target=cell.target,
            page_size=cell.target.mmu.page_size,
            step_deadline_seconds=STEP_SECONDS * options.patience * self.slowness,
            foll_longterm=machine.foll_longterm,
        )

    def judge(
        self, pool: GuestPool, *, fresh: bool, keep: bool
    ) -> tuple[Verdict, str, KernelReport | None]:
        """Verdict, reason and kernel report; the guest as ``GuestPool.lease`` has it."""
        self._enter("boot")
        lost_before = seconds_stood_still()
        try:
            self._check_kernel()
            with self._guest(pool, fresh, keep) as pooled:
                outcome = self._run_steps(pooled.guest)
                sound = outcome[0].is_expected and not self._complained
                pooled.sound = sound and self.model.can_be_tidied
                reached, self.phase = self.phase, "clean-up"
            self.phase = reached
        except KernelReported as exc:
            stood_still = seconds_stood_still() - lost_before
            verdict, reason = judge_reports(exc.reports, fresh=fresh, stood_still=stood_still)
            return verdict, f"{self.phase}: {reason}", exc.reports[0]
        except KernelFailure as exc:
            return Verdict.KERNEL_FAILURE, f"{self.phase}: {exc}", None
        except InfrastructureError as exc:
            return Verdict.INFRASTRUCTURE, f"{self.phase}: {exc}", None
        return outcome

    def _enter(self, phase: str, place: str = "") -> None:
        self.phase = phase
        self.folder.running.write(phase + place)

    def _check_kernel(self) -> None:
        """A scenario about the vmemmap optimisation on a kernel without it tests nothing.

        Unless it was asked to, by a configuration beyond the target's own.
        """
        if self._unoptimised is not None and not self.cell.config:
            raise InfrastructureError(
                f"{self._unoptimised}: the vmemmap optimisation is compiled out (is CONFIG_MEMCG"
                " in the configuration?)"
            )

    @property
    def _unoptimised(self) -> str | None:
        """Why the kernel lacks the optimisation that the scenario is about; else None."""
        if not self.cell.needs_vmemmap_optimisation:
            return None
        return why_never_optimised(self.model.machine)

    @contextmanager
    def _guest(self, pool: GuestPool, fresh: bool, keep: bool) -> Iterator[PooledGuest]:
        self.folder.write("config", self.provisions.kernel.config.read_text(encoding="utf-8"))
        started = time.monotonic()
        try:
            lease = pool.lease(self._wanted(), self.cell.id, fresh=fresh, keep=keep)
            with lease as pooled:
                self.cells_before = tuple(pooled.cells)
                self.folder.write(QEMU_FILE, json.dumps(_describe(pooled, self.slowness), indent=1))
                self._enter("guest")
                self._keep(pooled.identity)
                self.context = replace(self.context, power=pooled.guest)
                yield pooled
        finally:
            self.guest_seconds = time.monotonic() - started

    def _wanted(self) -> Wanted:
        provisions = self.provisions
        request = BootRequest(
            target=self.cell.target,
            layout=self.cell.layout,
            kernel=provisions.kernel.image,
            initrd=provisions.archives,
            firmware=provisions.firmware,
            console_log=self.folder.console_log,
            store_root=self.store_root,
            transport=self.options.transport,
            scale=self.options.patience * self.slowness,
            extra_arguments=boot_arguments(self._steps),
            ignore=self.options.ignore,
        )
        return Wanted(request, self.context, self.model.guest())

    @property
    def _steps(self) -> tuple[Step, ...]:
        """The cell's steps, or what is asked where the guest cannot have what they need."""
        return self.cell.steps if self._unsupported is None else ABSENCE

    @cached_property
    def _unsupported(self) -> str | None:
        """Why the guest cannot have what some step needs. Raises UserError as the model does."""
        return why_unsupported(self.model, self.cell)

    def _run_steps(self, guest: Guest) -> tuple[Verdict, str, KernelReport | None]:
        steps = self._steps
        for number, step in enumerate(steps, start=1):
            self._enter(step.kind, f" {number}/{len(steps)}")
            prediction = self.model.predict(step)
            if prediction.ends_cell:
                return self._run_into_report(step, prediction, guest)
            observation = run_step(step, guest.shell, self.context)
            mismatch = self._compare(step, prediction, observation)
            guest.watch.check()
            if mismatch is not None:
                self._keep_dmesg(guest)
                return Verdict.MISMATCH, mismatch, None
        self._enter("after the last step")
        self._keep_dmesg(guest)
        guest.watch.check()
        # Without the optimisation there is something to be seen all the same: its absence.
        unsupported = self._unsupported or self._unoptimised or self._skipped
        if unsupported is not None:
            return Verdict.UNSUPPORTED, unsupported, None
        return Verdict.OK, self._known_defects(), None

    def _run_into_report(
        self, step: Step, prediction: Prediction, guest: Guest
    ) -> tuple[Verdict, str, KernelReport | None]:
        """A step that a known defect makes the kernel complain in; the cell's last.

        Raises KernelReported for any other complaint.
        """
        observation, report = Observation(step.kind, {}), None
        with suppress(KernelReported):  # there may be more to come
            observation = run_step(step, guest.shell, self.context)
        try:
            guest.watch.settle()
        except KernelReported as exc:
            if not foretells(prediction, exc.reports):
                raise
            report = exc.reports[0]
            values = {**observation.values, KERNEL_REPORT: name_reports(exc.reports)}
            observation = replace(observation, values=values)
        mismatch = self._compare(step, prediction, observation)
        if mismatch is not None:
            return Verdict.MISMATCH, mismatch, None
        return Verdict.OK, self._known_defects(), report

    @property
    def _skipped(self) -> str | None:
        """Why the guest said, as predicted, that it cannot have what a step needs."""
        reasons = (result.prediction.skipped for result in self.results)
        return next((reason for reason in reasons if reason is not None), None)

    @property
    def _complained(self) -> bool:
        return any(KERNEL_REPORT in result.observation.values for result in self.results)

    def _known_defects(self) -> str:
        """What an expected end is to be told with: the defects that the cell showed."""
        found = dict.fromkeys(rule for result in self.results for rule in result.known_defects)
        return "; ".join(f"known defect: {rule.statement} ({rule.id})" for rule in found)

    def _compare(self, step: Step, prediction: Prediction, observation: Observation) -> str | None:
        """The first difference in words, or None; what was seen is on disk first."""
        intended = values_intended(self.intentions, step)
        result = compare(prediction, observation, intended)
        self._keep(result)
        return first_difference(result)

    def _keep(self, result: StepResult) -> None:
        self.results.append(result)
        self.folder.step(result)

    def _keep_dmesg(self, guest: Guest) -> None:
        said = guest.shell.run("exec dmesg", self.context.deadline()).stdout
        self.folder.write(DMESG_FILE, said)


def judge_reports(
    reports: Sequence[KernelReport], *, fresh: bool, stood_still: float
) -> tuple[Verdict, str]:
    """Verdict and reason where the kernel reports what nobody foretold.

    A CPU that lost its timer is QEMU's doing, unless a ``fresh`` guest is that way, too; a
    stall in a guest whose host ``stood_still`` for so many seconds meanwhile is the host's.
    """
    title = reports[0].title
    if may_be_the_hosts(reports, stood_still):
        why = (
            f"{title}: the host stood still for {stood_still:.0f} s, and the guest's clock went on"
        )
        return Verdict.INFRASTRUCTURE, why
    if not fresh and has_lost_timer(reports):
        why = f"{title}: its CPU idles, and its timer's interrupt does not come any more"
        return Verdict.INFRASTRUCTURE, why
    return Verdict.KERNEL_FAILURE, title


def values_intended(intentions: Iterable[Intention], step: Step) -> set[str]:
    """Values of a step that a series is meant to change."""
    return {intention.value for intention in intentions if intention.step == step.kind}


def _describe(pooled: PooledGuest, slowness: float) -> dict[str, Any]:
    """qemu.json: where it ran, the exact command line, versions, what was done to the kernel."""
    guest = pooled.guest
    return {
        "host": platform.node(),
        "argv": list(guest.argv),
        "emulator": guest.emulator.banner,
        "version": ".".join(map(str, guest.emulator.version)),
        "accelerator": guest.accelerator,
        "host_slowness": slowness,
        "opcode_fixup": asdict(guest.fixup),
        "boot_seconds": round(guest.boot_seconds, 3),
        "reached_seconds": {
            state.value: round(seconds, 3) for state, seconds in guest.reached_seconds.items()
        },
        "cells_before": pooled.cells,
    }
