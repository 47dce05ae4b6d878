"""A broken cell followed to its patch. What a kernel does is told here, not booted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from harness.campaign.culprit import Culprit, Trials, find_culprit
from harness.campaign.order import Order
from harness.campaign.series import SeriesRunner
from harness.commands.bisect_record import render_log
from harness.compare import compare
from harness.errors import InfrastructureError, UserError
from harness.records import (
    CellResult,
    Expected,
    Observation,
    Prediction,
    Rule,
    Verdict,
    Word,
)
from harness.scenario.expand import Cell, expand
from harness.scenario.find import find_scenario
from harness.series.patch import Patch, Series
from harness.target import load_targets

OK = CellResult("", "s", "t", "k", Verdict.OK, "", 1.0, 1.0, phase="after the last step")
BAD = replace(OK, verdict=Verdict.MISMATCH, reason="size is 1, expected 2")
HOST = replace(OK, verdict=Verdict.INFRASTRUCTURE, reason="no QEMU", phase="boot")
UNBUILT = replace(OK, verdict=Verdict.KERNEL_FAILURE, reason="x.c:1: error", phase="build")


def cell() -> Cell:
    targets = {"s390x": load_targets()["s390x"]}
    return next(iter(expand(find_scenario("gup-anon"), targets)))


def series(count: int) -> Series:
    patches = tuple(
        Patch(n, f"change {n}", "A U Thor <a@example.org>", None, b"", (), f"v7.mbox:{n}")
        for n in range(1, count + 1)
    )
    return Series("v7", 7, patches, "v7.mbox")


@dataclass
class Told:
    """Runs nothing: a result by patches and repeat, and what was asked for."""

    result: Callable[[int, int], CellResult]
    asked: list[tuple[int, int]] = field(default_factory=list)

    def run(self, order: Order) -> CellResult:
        assert order.prefix is not None
        position = order.prefix.label.position
        assert len(order.patches) == position
        self.asked.append((position, order.repeat))
        result = self.result(position, order.repeat)
        return replace(result, id=order.id, patch=order.prefix.label)


def search(
    result: Callable[[int, int], CellResult], count: int = 11, **trials: int
) -> tuple[Culprit | None, Told]:
    told = Told(result)
    runner: Any = told
    found = find_culprit(SeriesRunner(runner, series(count)), cell(), Trials(**trials))
    return found, told


def since(first_bad: int) -> Callable[[int, int], CellResult]:
    return lambda position, _: BAD if position >= first_bad else OK


@pytest.mark.parametrize("first_bad", range(1, 12))
def test_the_patch_is_named_and_compared_with_the_kernel_before_it(first_bad: int) -> None:
    found, told = search(since(first_bad))
    assert found is not None
    assert [(s.position, s.subject) for s in found.suspects] == [(first_bad, f"change {first_bad}")]
    comparison = found.contrasted.patched.comparison
    assert comparison is not None
    assert (comparison.word, comparison.base.position) == (Word.REGRESSED, first_bad - 1)
    assert len(set(told.asked)) == len(told.asked) <= 2 + 4


def test_a_harmless_series_has_no_culprit() -> None:
    found, told = search(lambda *_: OK)
    assert found is None
    assert told.asked == [(0, 1), (11, 1)]


def test_another_failure_than_the_bases_is_followed() -> None:
    """Nothing is found by asking who fails: all do. Who fails as the base does is asked then."""
    panic = replace(OK, verdict=Verdict.KERNEL_FAILURE, reason="panic in f", phase="probe")
    found, _ = search(lambda position, _: panic if position >= 6 else BAD)
    assert found is not None
    assert [s.position for s in found.suspects] == [6]
    assert found.contrasted.patched.comparison is not None
    assert found.contrasted.patched.comparison.word is Word.CHANGED
    (told,) = render_log(found, 11)
    assert told.startswith("  kernels:  base mismatch; 11/11 otherwise; 5/11 as the base; ")


def test_a_known_defect_that_a_patch_brings_is_followed() -> None:
    rule = Rule("defect.x", "a statement", "a source", defect=True)
    prediction = Prediction("probe", (Expected("size", 1, rule),))
    shown = replace(OK, steps=(compare(prediction, Observation("probe", {"size": 1})),))
    found, _ = search(lambda position, _: shown if position >= 3 else OK)
    assert found is not None
    assert [s.position for s in found.suspects] == [3]


def test_what_was_broken_before_is_nobodys_fault() -> None:
    assert search(lambda *_: BAD)[0] is None


def test_a_patch_that_does_not_build_is_stepped_over() -> None:
    def result(position: int, repeat: int) -> CellResult:
        return UNBUILT if position in (5, 6, 7) else since(6)(position, repeat)

    found, _ = search(result)
    assert found is not None
    assert [s.position for s in found.suspects] == [5, 6, 7, 8]


def test_a_series_that_does_not_build_is_followed_to_the_patch_that_broke_it() -> None:
    found, _ = search(lambda position, _: UNBUILT if position >= 4 else OK)
    assert found is not None
    assert [s.position for s in found.suspects] == [4]
    assert found.contrasted.patched.comparison is not None
    assert found.contrasted.patched.comparison.word is Word.BUILD_BROKEN


def test_the_hosts_trouble_is_never_called_bad() -> None:
    found, _ = search(lambda p, r: HOST if p == 5 else since(6)(p, r))
    assert found is not None
    assert [s.position for s in found.suspects] == [5, 6]


def test_a_kernel_that_built_is_good_where_the_build_is_followed() -> None:
    """Whatever became of its guest."""
    found, _ = search(lambda p, _: UNBUILT if p >= 6 else HOST if p == 5 else OK)
    assert found is not None
    assert [s.position for s in found.suspects] == [6]
    comparison = found.contrasted.patched.comparison
    assert comparison is not None
    assert (comparison.word, comparison.base.position) == (Word.BUILD_BROKEN, 5)


@pytest.mark.parametrize("phase", ["build", "worker"])
def test_a_kernel_that_the_host_did_not_build_is_stepped_over(phase: str) -> None:
    spoilt = replace(HOST, phase=phase)
    found, _ = search(lambda p, _: UNBUILT if p >= 6 else spoilt if p == 5 else OK)
    assert found is not None
    assert [s.position for s in found.suspects] == [5, 6]


@pytest.mark.parametrize("others", [OK, BAD, UNBUILT])
def test_a_base_that_does_not_build_is_bad_input(others: CellResult) -> None:
    with pytest.raises(UserError, match="the base does not build: nothing to bisect from"):
        search(lambda p, _: others if p else UNBUILT)


@pytest.mark.parametrize("position", [0, 11])
def test_ends_that_the_host_spoilt_end_the_search(position: int) -> None:
    with pytest.raises(InfrastructureError, match="no QEMU"):
        search(lambda p, _: HOST if p == position else OK)


def test_a_flaky_failure_is_judged_by_several_guests() -> None:
    def result(position: int, repeat: int) -> CellResult:
        return BAD if position >= 7 and repeat % 3 == 0 else OK

    assert search(result)[0] is None
    found, _ = search(result, runs=6, needed=1)
    assert found is not None
    assert [s.position for s in found.suspects] == [7]
    comparison = found.contrasted.patched.comparison
    assert comparison is not None
    assert (comparison.word, comparison.base.position) == (Word.REGRESSED, 6)
    assert found.contrasted.patched.run_id.endswith("@07~3")
    assert search(result, runs=6, needed=3)[0] is None
