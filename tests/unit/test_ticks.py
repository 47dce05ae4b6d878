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


# The same of a guest of Linux 6.1.192, whose kernel leaves the stack of an idle CPU out.
LEFT_OUT = """\
rcu: INFO: rcu_sched detected stalls on CPUs/tasks:
rcu: 	1-...!: (0 ticks this GP) idle=5378/0/0x0 softirq=6/6 fqs=0 (false positive?)
	(detected by 0, t=5252 jiffies, g=-1179, q=290 ncpus=2)
Sending NMI from CPU 0 to CPUs 1:
NMI backtrace for cpu 1 skipped: idling at default_idle+0x13/0x20
rcu: rcu_sched kthread timer wakeup didn't happen for 5251 jiffies! g-1179 f0x0 \
RCU_GP_WAIT_FQS(5) ->state=0x402
rcu: 	Possible timer handling issue on cpu=1 timer-softirq=2
rcu: RCU grace-period kthread stack dump:
task:rcu_sched       state:I stack:0     pid:11    ppid:2      flags:0x00004000
Call Trace:
 <TASK>
 __schedule+0x1aa/0x4d0
 schedule+0x48/0x90
 schedule_timeout+0x77/0xd0
 ? __timer_delete_sync+0x90/0x90
 rcu_gp_fqs_loop+0x112/0x3d0
 rcu_gp_kthread+0x6d/0xf0
 kthread+0xb1/0xd0
 ret_from_fork+0x1f/0x30
 </TASK>
"""


def test_an_idle_cpu_whose_stack_is_left_out_has_lost_its_timer_too() -> None:
    log = "".join(f"[   22.000000] {line}\n" for line in LEFT_OUT.splitlines())
    (lost,) = read(log.encode())
    assert lost.title == "INFO: rcu detected stall in default_idle"
    assert has_lost_timer([lost])


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
