"""Where a hanging kernel is at: answers to SysRq of guests in which something did not end."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.observe.hang import find_places

ANSWERS = Path(__file__).parent.parent / "data" / "hangs"

# lkdtm's HUNG_TASK and SOFTLOCKUP, and dd of /dev/zero by calls of 256M. The compilers of some
# put lkdtm's function into its caller; a CPU that is asked by another does not name its task.
_SHOWN = {
    "arm64-blocked": "sh waits in lkdtm_HUNG_TASK < lkdtm_do_action < direct_entry",
    "arm64-reads": "CPU 1 is in read_zero",
    "arm64-stuck": "sh is in lkdtm_SOFTLOCKUP < direct_entry",
    "ppc64-hash-blocked": "sh waits in lkdtm_HUNG_TASK < lkdtm_do_action < direct_entry",
    "ppc64-hash-reads": "CPU 0 is in __arch_clear_user",
    "ppc64-hash-stuck": "sh is in lkdtm_SOFTLOCKUP < direct_entry",
    "s390x-blocked": "sh waits in direct_entry",
    "s390x-reads": "CPU 0 is in __cond_resched < read_zero",
    "s390x-stuck": "CPU 1 is in lkdtm_SOFTLOCKUP < direct_entry",
    "x86_64-blocked": "sh waits in direct_entry",
    "x86_64-reads": "dd is in clear_user_original < read_zero",
    "x86_64-stuck": "sh is in lkdtm_SOFTLOCKUP < direct_entry",
}


def answer(name: str) -> str:
    return (ANSWERS / f"{name}.txt").read_text(encoding="utf-8")


def test_every_answer_is_looked_at() -> None:
    assert {path.stem for path in ANSWERS.iterdir()} == set(_SHOWN)


@pytest.mark.parametrize("name", _SHOWN)
def test_what_hangs_is_found_among_what_idles(name: str) -> None:
    assert [str(place) for place in find_places(answer(name))] == [_SHOWN[name]]


def test_a_task_that_is_shown_twice_is_one() -> None:
    assert len(find_places(answer("arm64-blocked") * 2)) == 1


def test_a_worker_that_waits_is_not_the_kernels_own_affair() -> None:
    """Others of the kernel's threads may wait for good, as s390x's hwrng does."""
    blocked = answer("s390x-blocked")
    worker = blocked.replace("task:hwrng       ", "task:kworker/0:1H")
    shown = [str(place) for place in find_places(worker)]
    assert shown == ["kworker/0:1H waits in virtio_read < hwrng_fillfn", _SHOWN["s390x-blocked"]]


@pytest.mark.parametrize("text", ["", "sysrq: CPU1:", "sysrq: CPU1:\nCall Trace:\n", "dax\0\n"])
def test_an_answer_without_a_stack_shows_nothing(text: str) -> None:
    assert find_places(text) == ()
