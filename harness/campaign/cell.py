"""One cell from boot to verdict: who is to blame is decided here, by the exception's type."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from harness.campaign.provide import Provider, Provisions
from harness.compare import compare
from harness.deadline import Deadline
from harness.errors import InfrastructureError, KernelFailure, KernelReported
from harness.guest.boot import BootRequest, Guest, Transport, boot
from harness.guest.steps import StepContext, identify_guest, prepare_regions, run_step
from harness.model import Machine, Model
from harness.records import CellResult, KernelReport, Observation, StepResult, Verdict
from harness.report.results import CellFolder
from harness.scenario.expand import Cell
from harness.scenario.steps import Regions, Step

STEP_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What a person may turn: ``patience`` multiplies every deadline."""

    transport: Transport = "ssh"
    patience: float = 1.0


class CellRunner:
    """Runs cells, each in a guest of its own, and writes down what happens as it happens."""

    def __init__(self, provider: Provider, options: RunOptions, run_directory: Path) -> None:
        self.provider = provider
        self.options = options
        self.run_directory = run_directory

    def run(self, cell: Cell) -> CellResult:
        """The cell's result; an infrastructure verdict was tried twice, each in a new guest.

        Raises UserError for a kernel or configuration that cannot be had.
        """
        folder = CellFolder(self.run_directory, cell.id)
        result = self._attempt(cell, folder)
        if result.verdict is Verdict.INFRASTRUCTURE:
            folder.attempt(2)
            result = replace(self._attempt(cell, folder), retried=True)
        return result

    def _attempt(self, cell: Cell, folder: CellFolder) -> CellResult:
        started = time.monotonic()
        try:
            provisions = self.provider.provide(cell.target, cell.config)
        except InfrastructureError as exc:
            blank = self._blank(cell, Verdict.INFRASTRUCTURE, str(exc))
        except KernelFailure as exc:
            blank = self._blank(cell, Verdict.KERNEL_FAILURE, str(exc))
        else:
            attempt = _Attempt(cell, provisions, self.options, folder)
            verdict, reason, report = attempt.judge(self.provider)
            blank = replace(
                self._blank(cell, verdict, reason),
                kernel=provisions.kernel.release,
                guest_seconds=attempt.guest_seconds,
                steps=tuple(attempt.results),
                report=report,
            )
        return replace(blank, seconds=time.monotonic() - started)

    def _blank(self, cell: Cell, verdict: Verdict, reason: str) -> CellResult:
        """A result before anything of the guest is known."""
        return CellResult(
            id=cell.id,
            scenario=cell.scenario,
            target=cell.target.name,
            kernel=str(self.provider.spec),
            verdict=verdict,
            reason=reason,
            seconds=0.0,
            guest_seconds=0.0,
        )


class _Attempt:
    """One boot of one cell, and what was learnt before it ended."""

    def __init__(
        self, cell: Cell, provisions: Provisions, options: RunOptions, folder: CellFolder
    ) -> None:
        self.cell = cell
        self.provisions = provisions
        self.options = options
        self.folder = folder
        self.guest_seconds = 0.0
        self.phase = "boot"
        self.results: list[StepResult] = []
        machine = Machine(cell.target, provisions.kernel.facts, cell.layout)
        self.model = Model(machine)

    def judge(self, provider: Provider) -> tuple[Verdict, str, KernelReport | None]:
        """Verdict, reason and kernel report."""
        try:
            self._check_kernel()
            with self._guest(provider) as guest:
                return self._run_steps(guest)
        except KernelReported as exc:
            return Verdict.KERNEL_FAILURE, f"{self.phase}: {exc.reports[0].title}", exc.reports[0]
        except KernelFailure as exc:
            return Verdict.KERNEL_FAILURE, f"{self.phase}: {exc}", None
        except InfrastructureError as exc:
            return Verdict.INFRASTRUCTURE, f"{self.phase}: {exc}", None

    def _check_kernel(self) -> None:
        """A scenario about the vmemmap optimisation on a kernel without it tests nothing."""
        size = self.provisions.kernel.facts.struct_page_bytes
        if self.cell.needs_vmemmap_optimisation and size & (size - 1):
            raise InfrastructureError(
                f"sizeof(struct page) is {size} in this kernel, no power of two: the vmemmap "
                "optimisation is compiled out (is CONFIG_MEMCG in the configuration?)"
            )

    @contextmanager
    def _guest(self, provider: Provider) -> Iterator[Guest]:
        provisions = self.provisions
        (self.folder.path / "config").write_bytes(provisions.kernel.config.read_bytes())
        request = BootRequest(
            target=self.cell.target,
            layout=self.cell.layout,
            kernel=provisions.kernel.image,
            initrd=provisions.archives,
            console_log=self.folder.console_log,
            store_root=provider.store.root,
            transport=self.options.transport,
            scale=self.options.patience,
        )
        started = time.monotonic()
        try:
            with boot(request) as guest:
                self.folder.write("qemu.json", json.dumps(_describe(guest), indent=1))
                yield guest
        finally:
            self.guest_seconds = time.monotonic() - started

    def _run_steps(self, guest: Guest) -> tuple[Verdict, str, KernelReport | None]:
        self.phase = "guest"
        self._identify(guest)
        context = StepContext(
            target=self.cell.target,
            page_size=self.cell.target.mmu.page_size,
            step_deadline_seconds=STEP_SECONDS * self.options.patience,
        )
        if self.cell.layout.pmem:
            prepare_regions(guest.shell, context)
        unsupported = self.model.unsupported(self.cell.steps)
        steps: tuple[Step, ...] = self.cell.steps if unsupported is None else (Regions(),)
        for step in steps:
            self.phase = step.kind
            observation = run_step(step, guest.shell, context)
            mismatch = self._compare(step, observation)
            guest.watch.check()
            if mismatch is not None:
                self._keep_dmesg(guest)
                return Verdict.MISMATCH, mismatch, None
        self.phase = "after the last step"
        self._keep_dmesg(guest)
        guest.watch.check()
        if unsupported is not None:
            return Verdict.UNSUPPORTED, unsupported, None
        return Verdict.OK, "", None

    def _identify(self, guest: Guest) -> None:
        """A guest that is not what its target says proves nothing about the kernel."""
        result = compare(self.model.guest(), identify_guest(guest.shell))
        self._keep(result)
        if result.mismatches:
            wrong = "; ".join(
                f"{m.expected.name} is {m.observed!r}, not {m.expected.value!r}"
                for m in result.mismatches
            )
            raise InfrastructureError(f"the guest is not {self.cell.target.name}: {wrong}")

    def _compare(self, step: Step, observation: Observation) -> str | None:
        """The first difference in words, or None; what was seen is on disk first."""
        result = compare(self.model.predict(step), observation)
        self._keep(result)
        if not result.mismatches:
            return None
        first = result.mismatches[0]
        return (
            f"{result.step}: {first.expected.name} is {first.observed!r}, "
            f"expected {first.expected.relation} {first.expected.value!r}"
        )

    def _keep(self, result: StepResult) -> None:
        self.results.append(result)
        self.folder.step(result)

    def _keep_dmesg(self, guest: Guest) -> None:
        deadline = Deadline.after(STEP_SECONDS * self.options.patience)
        self.folder.write("dmesg.txt", guest.shell.run("dmesg", deadline).stdout)


def _describe(guest: Guest) -> dict[str, Any]:
    """qemu.json: the exact command line, the versions, and what was done to the kernel."""
    return {
        "argv": list(guest.argv),
        "emulator": guest.emulator.banner,
        "version": ".".join(map(str, guest.emulator.version)),
        "accelerator": guest.accelerator,
        "opcode_fixup": asdict(guest.fixup),
        "boot_seconds": round(guest.boot_seconds, 3),
    }
