"""A CPU that idles without a tick is QEMU's doing, until a second guest has one as well."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.campaign.attempt import judge_reports
from harness.observe.ticks import has_lost_timer
from harness.records import KernelReport, Verdict
from tests.golden.console_file import DIRECTORY, read, split_golden


def reports(name: str) -> list[KernelReport]:
    return list(read(split_golden(DIRECTORY / name)[1]))


def test_a_lost_timer_is_tried_again_and_then_believed() -> None:
    lost = reports("x86_64-lost-timer.txt")
    assert judge_reports(lost, fresh=False, stood_still=0.0)[0] is Verdict.INFRASTRUCTURE
    assert judge_reports(lost, fresh=True, stood_still=0.0)[0] is Verdict.KERNEL_FAILURE


@pytest.mark.parametrize(
    ("before", "after"),
    [("(0 ticks", "(3 ticks"), ("timer wakeup didn't", "timer did"), ("do_idle", "do_exit")],
)
def test_a_cpu_with_ticks_or_with_something_to_do_is_the_kernels(before: str, after: str) -> None:
    (lost,) = reports("x86_64-lost-timer.txt")
    assert lost.function is not None
    text, function = lost.text.replace(before, after), lost.function.replace(before, after)
    assert not has_lost_timer([replace(lost, text=text, function=function)])


def test_what_is_said_besides_counts() -> None:
    (lost,), stall = reports("x86_64-lost-timer.txt"), reports("x86_64-rcu-stall.txt")
    assert not has_lost_timer(stall)
    assert not has_lost_timer([lost, *stall])
    verdict = judge_reports(stall, fresh=False, stood_still=0.0)
    assert verdict == (Verdict.KERNEL_FAILURE, stall[0].title)


def test_a_stall_after_the_host_stood_still_is_the_hosts() -> None:
    stall = reports("x86_64-rcu-stall.txt")
    assert judge_reports(stall, fresh=True, stood_still=36.0)[0] is Verdict.INFRASTRUCTURE
    assert judge_reports(stall, fresh=True, stood_still=5.0)[0] is Verdict.KERNEL_FAILURE


def test_what_no_clock_brings_about_is_the_kernels_however_long_the_host_stood_still() -> None:
    stall, oops = reports("x86_64-rcu-stall.txt"), reports("ppc64-hash-devdax-crash.txt")
    assert oops
    for found in (oops, [*stall, *oops]):
        assert judge_reports(found, fresh=True, stood_still=36.0)[0] is Verdict.KERNEL_FAILURE
