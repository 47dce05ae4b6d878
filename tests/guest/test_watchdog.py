"""What is asked before a guest is said to hang, and of whom: on real guests."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.campaign.provide import Provider
from harness.deadline import Deadline
from harness.errors import InfrastructureError, KernelFailure
from harness.guest.boot import Guest, boot
from harness.observe.registers import awaits_interrupts
from harness.records import Layout
from harness.target import Target, load_targets
from tests.support.guests import boot_request

pytestmark = pytest.mark.guest


@pytest.fixture
def target() -> Target:
    return load_targets()["ppc64-hash"]


@pytest.fixture
def guest(target: Target, provider: Provider, tmp_path: Path) -> Iterator[Guest]:
    request = boot_request(provider, target, Layout(2 << 30, 2), tmp_path)
    with boot(request) as guest:
        yield guest


def test_a_command_that_does_not_end_hangs_and_the_kernel_was_asked(
    guest: Guest, tmp_path: Path
) -> None:
    with pytest.raises(KernelFailure) as caught:
        guest.shell.run("sleep 100", Deadline.after(3))
    said = str(caught.value)
    assert "'sleep 100' does not end" in said
    assert "busy: s" in said  # the shell, or sleep in its place
    assert "the kernel's answer to SysRq:" in said
    assert "NIP" in said.partition("-- registers --")[2]
    log = (tmp_path / "console.log").read_text(errors="replace")
    tasks = re.split(r"(?m)^.*task:", log)[1:]
    assert any(task.startswith("s") and "nanosleep" in task for task in tasks)


def test_what_hangs_is_named_with_the_function_that_it_hangs_in(guest: Guest) -> None:
    with pytest.raises(KernelFailure) as caught:
        guest.shell.run("echo HUNG_TASK >/sys/kernel/debug/provoke-crash/DIRECT", Deadline.after(3))
    said = str(caught.value).partition("\n")[0]
    assert "does not end; sh waits in lkdtm_HUNG_TASK < lkdtm_do_action < direct_entry; " in said


def test_a_link_that_is_dead_is_not_a_kernel_that_hangs(
    target: Target, provider: Provider, tmp_path: Path
) -> None:
    request = boot_request(provider, target, Layout(2 << 30, 2), tmp_path, transport="ssh")
    with boot(request) as guest:
        assert guest.shell.run("true", Deadline.after(20)).status == 0
        guest.qmp.execute("set_link", {"name": "net", "up": False})
        with pytest.raises(InfrastructureError, match="answers on its other line"):
            guest.shell.run("true", Deadline.after(3))


def test_a_guest_whose_cpus_are_all_stuck_hangs(guest: Guest) -> None:
    stuck = (
        "for cpu in 1 2 3 4; do (echo HARDLOCKUP >/sys/kernel/debug/provoke-crash/DIRECT) & done;"
        " sleep 100"
    )
    with pytest.raises(KernelFailure) as caught:
        guest.shell.run(stuck, Deadline.after(5))
    assert "the guest's other line: no answer" in str(caught.value)


class TestX86:
    @pytest.fixture
    def target(self) -> Target:
        return load_targets()["x86_64"]

    def test_an_idle_guest_awaits_interrupts_and_a_busy_one_does_not(self, guest: Guest) -> None:
        def idle() -> bool:
            return awaits_interrupts(guest.qmp.monitor("info registers -a"))

        deadline = Deadline.after(60)
        while not idle():
            assert not deadline.expired, "the guest never idled"
        started = guest.shell.run("(while :; do :; done) >/dev/null 2>&1 &", Deadline.after(20))
        assert started.status == 0
        assert not any(idle() for _ in range(50))
