"""What was asked for on the command line, read once, and what is made of it when needed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from harness.deadline import check_patience
from harness.errors import InfrastructureError, UserError
from harness.ignore import NOTHING_IGNORED, IgnoreList, load_ignore_list
from harness.kernel.fragments import select_fragments
from harness.kernel.spec import parse_kernel_spec
from harness.pairs import FEWEST_PAIRS
from harness.plugin.cluster_options import check_cluster_options, open_cluster
from harness.plugin.guests_option import check_guests_option, guests_at_once
from harness.plugin.progress import UncapturedProgress
from harness.plugin.worker_input import WorkerInput, is_worker
from harness.records import Intention
from harness.report.results import check_run_directory, open_run_directory
from harness.run_folder import drop_unused
from harness.scenario.shard import Shard
from harness.scenario.steps import STEPS
from harness.series.intended import load_intentions
from harness.series.patch import Series
from harness.stand_ins import StandIns
from harness.store import Store
from harness.target import Target, load_targets

# Whatever runs guests is imported once one is to be run: collecting must not wait for it.
if TYPE_CHECKING:
    from harness.campaign.attempt import RunOptions
    from harness.campaign.order import Order, Runner
    from harness.campaign.planned import PlannedRunner
    from harness.campaign.pool import GuestPool
    from harness.campaign.provide import Provider, Provides
    from harness.campaign.series import SeriesRunner
    from harness.cluster.runner import ClusterRunner


@dataclass
class Settings:
    """One pytest run's choices; ``series`` is None without ``--series``.

    ``targets`` are those asked for, ``known`` all that have a data file; ``fragments`` are
    what every kernel is configured with beyond its target's own. ``planned`` runs cells that
    were told to :meth:`plan`, where that is not done here one after the other. ``scenario_files``
    is what :func:`check_distinct` has seen; ``told`` is what a worker of pytest-xdist was told.
    """

    config: pytest.Config
    known: dict[str, Target]
    targets: dict[str, Target]
    fragments: tuple[str, ...]
    series: Series | None
    intentions: tuple[Intention, ...] = ()
    ignore: IgnoreList = NOTHING_IGNORED
    shard: Shard | None = None
    planned: PlannedRunner | None = None
    told: WorkerInput | None = None
    scenario_files: dict[str, Path] = field(default_factory=dict)

    @classmethod
    def read(cls, config: pytest.Config) -> Settings:
        """Raises UserError for options that cannot be meant."""
        parse_kernel_spec(config.getoption("--kernel"))
        check_cluster_options(config)
        check_guests_option(config)
        check_patience(config.getoption("--patience"))
        check_run_directory(config.getoption("--results"))
        known = load_targets()
        arch: list[str] = config.getoption("--arch") or ["all"]
        selected = StandIns.of(config.option).select(arch, known)
        told = WorkerInput.of(config)
        series, intentions = (told.series, told.intentions) if told else _patches(config)
        ignored: Path | None = config.getoption("--ignore-reports")
        shard: str | None = config.getoption("--shard")
        return cls(
            config=config,
            known=known,
            targets={target.name: target for target in selected},
            fragments=select_fragments(config.getoption("--config") or ()),
            series=series,
            ignore=load_ignore_list(ignored) if ignored else NOTHING_IGNORED,
            shard=Shard.parse(shard) if shard else None,
            intentions=intentions,
            told=told,
        )

    @property
    def kernel(self) -> str:
        return str(self.config.getoption("--kernel"))

    @cached_property
    def run_directory(self) -> Path:
        """The controller's folder; its workers are told of it."""
        if self.told is not None:
            return self.told.run_directory
        results = self.config.invocation_params.dir / "results"
        return open_run_directory(self.config.getoption("--results"), results)

    @property
    def worker_input(self) -> WorkerInput:
        """What a worker of this controller is to know."""
        pinned = self.provider.pinned
        return WorkerInput(self.run_directory, pinned, self.series, self.intentions)

    def open_results(self) -> None:
        """Have the run's folder. Raises UserError for one that is not to be had."""
        self.run_directory  # noqa: B018

    def check_kernel(self) -> None:
        """Raises UserError for a kernel that is not there, or that the patches do not go on.

        A source that cannot be fetched is the host's trouble, which every cell tells.
        """
        with suppress(InfrastructureError):
            if self.series is None:
                self.provider.check_kernel()
            else:
                self.provider.check(self.series.patches)

    def plan(self, orders: Iterable[Order]) -> PlannedRunner | None:
        """Have orders run by others, in the order in which they will be asked for.

        None where cells run here one after the other; then nobody asks for ``orders``. Raises
        what ``cluster`` raises.
        """
        at_once = guests_at_once(self.config)
        if self.config.getoption("--cluster"):
            self.planned = self.cluster
        elif at_once > 1:
            orders = tuple(orders)
            self.planned = self._abreast(orders, at_once)
        if self.planned is not None:
            self.planned.plan(orders)
        return self.planned

    def _abreast(self, orders: Sequence[Order], at_once: int) -> PlannedRunner | None:
        """None for a single chunk, which one guest runs."""
        from harness.campaign.abreast import AbreastRunner
        from harness.campaign.chunks import cut
        from harness.share import available_memory

        chunks = cut([order for order in orders if order.cell.needs_guest], at_once)
        if len(tuple(chunks)) < 2:
            return None
        return AbreastRunner(
            self.provider,
            self.run_options,
            self.run_directory,
            self._runner_of,
            guests=at_once,
            memory=available_memory(),
            kept=self.guests_kept,
        )

    @property
    def runner(self) -> Runner:
        """Runs cells: here, or wherever it was planned."""
        return self.planned or self.local_runner

    @cached_property
    def local_runner(self) -> Runner:
        """Runs cells, those that one guest can run in one guest."""
        return self._runner_of(self.provider, self.pool)

    def _runner_of(self, provides: Provides, pool: GuestPool) -> Runner:
        """Where there is a series, results of earlier runs stand; they are this host's QEMU's.

        Times do not: two kernels' are compared where they were taken in turns.
        """
        from harness.campaign.cell import CellRunner
        from harness.campaign.kept import KeptRunner

        runner = CellRunner(provides, self.run_options, self.run_directory, pool)
        if self.series is None:
            return runner
        fresh = self.config.getoption("--fresh") or self.config.getoption("--timings") > 0
        return KeptRunner(runner, fresh=fresh)

    @cached_property
    def provider(self) -> Provider:
        """Has kernels and images."""
        from harness.campaign.provide import Provider

        return Provider(
            Store.default(),
            self.kernel,
            UncapturedProgress(self.config),
            guest_root=self.stand_ins.guest_root,
            pinned=self.told.pinned_kernel if self.told else "",
        )

    @property
    def run_options(self) -> RunOptions:
        from harness.campaign.attempt import RunOptions

        return RunOptions(
            transport=self.config.getoption("--transport"),
            patience=self.config.getoption("--patience"),
            ignore=self.ignore,
        )

    @cached_property
    def cluster(self) -> ClusterRunner:
        """Runs cells on a cluster. Needs ``--cluster``; raises what ``open_cluster`` raises."""
        return open_cluster(
            self.config, self.provider, self.run_options, self.run_directory, self.guests_kept
        )

    @property
    def guests_kept(self) -> int:
        """How many guests are kept between two cells. A series takes turns on two."""
        fresh: bool = self.config.getoption("--fresh")
        return 0 if fresh else 1 if self.series is None else 2

    @cached_property
    def pool(self) -> GuestPool:
        """Guests between two cells; closed by :meth:`close`."""
        from harness.campaign.pool import GuestPool

        return GuestPool(self.guests_kept)

    @cached_property
    def series_runner(self) -> SeriesRunner:
        """Runs cells with and without patches. Needs ``series``."""
        if self.series is None:
            raise ValueError("no series was given")
        from harness.campaign.series import SeriesRunner

        timings: int = self.config.getoption("--timings")
        return SeriesRunner(self.runner, self.series, timings, self.intentions)

    def close(self) -> None:
        """End what still waits for a cell, and what runs elsewhere; leave no empty folder."""
        self.end_planned()
        if "pool" in self.__dict__:
            self.pool.close()
        # pytest-xdist's workers are told of one whatever they run.
        nobody_asked = self.config.getoption("--results") is None
        if nobody_asked and "run_directory" in self.__dict__ and not is_worker(self.config):
            drop_unused(self.run_directory)

    def end_planned(self) -> None:
        """End what was planned and has not finished."""
        planned, self.planned = self.planned, None
        if planned is not None:
            planned.close()

    def pairs(self, series: Series) -> tuple[tuple[int, int], ...]:
        """The kernels that each cell is held against each other on, by patches applied."""
        tip = len(series.patches)
        if self.config.getoption("--per-patch"):
            return tuple((position - 1, position) for position in range(1, tip + 1))
        return ((0, tip),)

    @property
    def stand_ins(self) -> StandIns:
        """What takes the place of Debian's packages."""
        return StandIns.of(self.config.option)

    def describe(self) -> dict[str, Any]:
        """The run's own entries in run.json."""
        series = self.series and self.series.to_json()
        shard = str(self.shard) if self.shard else None
        config = list(self.fragments)
        return {"kernel": self.kernel, "config": config, "series": series, "shard": shard}


def _patches(config: pytest.Config) -> tuple[Series | None, tuple[Intention, ...]]:
    """The series, and what it is meant to change: read once, and told to workers."""
    series = _series(config)
    if series is None:
        return None, ()
    return series, load_intentions(series, STEPS, config.getoption("--expect"))


def _series(config: pytest.Config) -> Series | None:
    name: str | None = config.getoption("--series")
    timings: int = config.getoption("--timings")
    if name is None:
        for option in ("--per-patch", "--timings", "--expect"):
            if config.getoption(option):
                raise UserError(f"{option} says nothing without --series", hint="--series PATCHES")
        return None
    if timings and timings < FEWEST_PAIRS:
        raise UserError(
            f"--timings {timings}: too few pairs to tell a change from noise",
            hint=f"--timings {FEWEST_PAIRS}",
        )
    if name == "-":
        raise UserError("--series -: pytest keeps standard input", hint="daxhound series -")
    from harness.series.load import load_series

    return load_series(name)
