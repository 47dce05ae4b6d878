"""The options of a run, as pytest's command line has them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final, TypeAlias

import pytest

from harness.pairs import FEWEST_PAIRS
from harness.plugin.cluster_options import add_cluster_options
from harness.plugin.guests_option import add_guests_option
from harness.stand_ins import add_stand_ins

# What changes a cell's outcome, beside its target, kernel, patches and configuration: by default.
# Whoever runs the cell again needs what was given of them.
CHANGES_OUTCOME: Final[Mapping[str, object]] = {
    "--per-patch": False,
    "--timings": 0,
    "--expect": None,
    "--transport": "serial",
    "--patience": 1.0,
    "--ignore-reports": None,
}

_Add: TypeAlias = Callable[..., object]


def add_options(parser: pytest.Parser) -> None:
    """Every option of a run."""
    group = parser.getgroup("daxhound", "kernel scenarios on QEMU guests")
    _add_cells(group.addoption)
    _add_series(group.addoption)
    _add_run(group.addoption)
    add_stand_ins(group.addoption)
    add_guests_option(group.addoption)
    add_cluster_options(group.addoption)


def _add_cells(add: _Add) -> None:
    add(
        "--arch",
        action="append",
        metavar="TARGET",
        help="target, several with commas, all (default) or variants; see daxhound targets",
    )
    add(
        "--kernel",
        default="debian:6.1",
        metavar="SPEC",
        help="debian:6.1 (default), another of Debian's, debian:6.1=REVISION, dir:PATH, tar:PATH, "
        "git:PATH@REF",
    )
    add(
        "--config",
        action="append",
        metavar="NAME",
        help="fragments of kconfigs/ beyond the target's own, with commas between (default: none)",
    )


def _add_series(add: _Add) -> None:
    add(
        "--series",
        metavar="PATCHES",
        help="run each cell without and with these patches: a .patch file, an mbox, a "
        "directory, git:PATH@A..B",
    )
    add(
        "--per-patch",
        action="store_true",
        help="with --series: each patch on top of the last, against the kernel before it",
    )
    add(
        "--timings",
        type=int,
        default=CHANGES_OUTCOME["--timings"],
        metavar="PAIRS",
        help="with --series: compare times as well, in so many pairs of guests (at least "
        f"{FEWEST_PAIRS}; default: none)",
    )
    add(
        "--expect",
        type=Path,
        metavar="FILE",
        help="with --series: what it is meant to change (default: the .expect.yaml beside it)",
    )


def _add_run(add: _Add) -> None:
    add(
        "--fresh",
        action="store_true",
        help="a new guest for every cell, and no result of an earlier run of a series",
    )
    add(
        "--results",
        metavar="DIR",
        type=Path,
        help="folder for run.json and the cells' folders (default: results/<time>)",
    )
    add(
        "--transport",
        choices=["serial", "ssh"],
        default=CHANGES_OUTCOME["--transport"],
        help="how steps reach the guest: by virtio-serial ports (default), or over its network",
    )
    add(
        "--patience",
        type=float,
        default=CHANGES_OUTCOME["--patience"],
        metavar="FACTOR",
        help="multiply every deadline, for a slow or busy host (default: 1)",
    )
    add(
        "--shard",
        metavar="I/N",
        help="part I of N of the cells; see daxhound plan (default: all of them)",
    )
    add(
        "--ignore-reports",
        metavar="FILE",
        type=Path,
        help="YAML list of known kernel reports, each with a reason (default: none)",
    )


def given_again(config: pytest.Config) -> Iterator[str]:
    """The words of what was given of :data:`CHANGES_OUTCOME`."""
    for option, default in CHANGES_OUTCOME.items():
        value = config.getoption(option)
        if value != default:
            yield from (option,) if value is True else (option, str(value))
