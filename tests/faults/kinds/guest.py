"""Harm inside the guest: its kernel crashes, hangs, floods its console, or lacks something."""

from __future__ import annotations

import random
import shlex
import signal

from tests.faults import judge
from tests.faults.judge import KERNELS, exactly, never
from tests.faults.kinds.process import SHORT_PATIENCE, send
from tests.faults.run import Run
from tests.faults.trial import Surroundings, Trial

_LKDTM = "/sys/kernel/debug/provoke-crash/DIRECT"
_CRASHES = {
    "sysrq-c": ("echo c >/proc/sysrq-trigger", "sysrq triggered crash"),
    "PANIC": (f"echo PANIC >{_LKDTM}", "dumptest"),
    "BUG": (f"echo BUG >{_LKDTM}", "lkdtm_BUG"),
    "WARNING": (f"echo WARNING >{_LKDTM}", "lkdtm_WARNING"),
    "EXCEPTION": (f"echo EXCEPTION >{_LKDTM}", "lkdtm_EXCEPTION"),
}
# Where a cell can be met, and the phase that its result must then name.
_PLACES = {
    "guest": "boot",
    **dict.fromkeys(("0", "1", "2", "3", "4", "5"), "gup-test"),
    "dmesg": "after the last step",
    "tidy": "clean-up",
}
_BOOT_TRAPS = ("PANIC", "BUG", "EXCEPTION")
_HANGS = ("HARDLOCKUP", "SPINLOCKUP", "LOOP")
# SPINLOCKUP hangs who does it for the second time (drivers/misc/lkdtm/bugs.c).
_BOOT_HANGS = ("HARDLOCKUP", "LOOP")
_HANG = "for cpu in 1 2 3 4; do (echo {how} >{lkdtm}) >/dev/null 2>&1 & done; sleep 20"
_FLOOD = (
    "head -c 20000 /dev/urandom | base64 >/run/junk; "
    "printf '\\033[2J\\033]0;owned\\007\\r\\n\\ndaxhound: ready\\n\\033[31m\\b' >>/run/junk; "
    "(while :; do cat /run/junk >/dev/console; done) >/dev/null 2>&1 </dev/null &"
)
# What stands in gup_test's place: noise, terminal orders, forged results, no end, no shell.
_LIES = {
    "noise": "head -c 5000 /dev/urandom; exit 3",
    "escapes": "printf '\\033[2J\\033]0;owned\\007\\033[31m\\r\\b\\n'; exit 1",
    "numbers": "printf 'PIN_FAST_BENCHMARK: Time: get:%s put:-1 us\\n' 99999999999999999999999999",
    "sections": "printf '\\n=====daxhound: end\\nstatus=0\\nstatus=x\\n\\n'; exit 127",
    "no end": "yes forged",
    "no shell": "kill -9 $PPID",
}
_LIE = (
    "printf '%s\\n' '#!/bin/sh' {lie} >/run/lie; chmod 755 /run/lie; cp /run/lie $(which gup_test)"
)
_NEW_GUEST_SECONDS = 60.0
_ONE_CELL = ("-k", "pin-fast")


def panic(rng: random.Random, _here: Surroundings) -> Trial:
    """The kernel crashes at one place of a cell's way."""
    place, crash = rng.choice(sorted(_PLACES)), rng.choice(sorted(_CRASHES))
    command, said = _CRASHES[crash]
    return Trial(
        what=f"{crash} at {place}",
        inside={"at": place, "command": command},
        expected=exactly("kernel-failure", 1, saying=said, phase=_PLACES[place]),
    )


def unconfirmed(rng: random.Random, _here: Surroundings) -> Trial:
    """The kernel crashes in a used guest, and the host kills every new one that is asked."""
    crash = rng.choice(sorted(_CRASHES))
    command, said = _CRASHES[crash]

    def act(run: Run) -> None:
        run.wait_for_guest()
        first = set(run.workspace.guests())
        while run.wait(lambda: bool(set(run.workspace.guests()) - first), _NEW_GUEST_SECONDS):
            run.sleep(rng.uniform(0.0, 1.0))
            send(set(run.workspace.guests()) - first, signal.SIGKILL)

    return Trial(
        what=f"{crash} in the last cell, and every other guest is killed",
        inside={"at": "4", "command": command},
        act=act,
        expected=exactly("kernel-failure", 1, saying=said, phase="gup-test"),
    )


def panic_at_boot(rng: random.Random, _here: Surroundings) -> Trial:
    """The kernel crashes before there is any shell."""
    crash = rng.choice(_BOOT_TRAPS)
    return Trial(
        what=f"{crash} while booting",
        inside={"append": _at_boot(crash)},
        arguments=_ONE_CELL,
        cells=1,
        expected=exactly("kernel-failure", 1, phase="boot"),
    )


def hang(rng: random.Random, _here: Surroundings) -> Trial:
    """Every CPU of the guest is stuck."""
    place, how = rng.choice(sorted(_PLACES)), rng.choice(_HANGS)
    return Trial(
        what=f"{how} on every CPU at {place}",
        inside={"at": place, "command": _HANG.format(how=how, lkdtm=_LKDTM), "seconds": 12.0},
        arguments=SHORT_PATIENCE,
        expected=judge.hang(1),
    )


def hang_at_boot(rng: random.Random, _here: Surroundings) -> Trial:
    """A CPU is stuck before there is any shell."""
    how = rng.choice(_BOOT_HANGS)
    return Trial(
        what=f"{how} while booting",
        inside={"append": _at_boot(how)},
        arguments=(*SHORT_PATIENCE, *_ONE_CELL),
        cells=1,
        expected=judge.hang(1),
    )


def flood(rng: random.Random, _here: Surroundings) -> Trial:
    """The console never ends: noise, escape sequences, and lines that the harness waits for."""
    place = rng.choice(("guest", "0", "1", "3"))
    return Trial(
        what=f"the console is flooded from {place} on",
        inside={"at": place, "command": _FLOOD},
        expected=never(*KERNELS),
    )


def liar(rng: random.Random, _here: Surroundings) -> Trial:
    """A guest that does not tell the truth; any verdict will do, and none of its orders."""
    lie = rng.choice(sorted(_LIES))
    return Trial(
        what=f"gup_test shows {lie}",
        inside={"at": "guest", "command": _LIE.format(lie=shlex.quote(_LIES[lie]))},
        arguments=SHORT_PATIENCE,
        expected=never(),
    )


def guest_memory(rng: random.Random, _here: Surroundings) -> Trial:
    """The guest has no memory left, which its kernel says."""
    place = str(rng.randrange(6))
    return Trial(
        what=f"all memory is taken at step {place}",
        inside={"at": place, "command": "tail /dev/zero", "seconds": 120.0},
        expected=exactly("kernel-failure", 1, saying="out of memory"),
    )


def clock_jump(rng: random.Random, _here: Surroundings) -> Trial:
    """The guest's clock is set, years back or on."""
    place, when = rng.choice(sorted(_PLACES)), rng.randrange(0, 4 << 30)
    return Trial(
        what=f"the guest's clock is set to {when} at {place}",
        inside={"at": place, "command": f"date -s @{when}"},
        expected=exactly("ok", 0),
    )


def tool_missing(rng: random.Random, _here: Surroundings) -> Trial:
    """A program of the image is not there, once or twice."""
    strikes = rng.choice((1, 2))
    expected = exactly("infrastructure", 1, saying="missing") if strikes == 2 else exactly("ok", 0)
    return Trial(
        what=f"gup_test is missing in the image, {strikes} times",
        inside={"at": "guest", "command": "rm $(which gup_test)", "strikes": strikes},
        expected=expected,
    )


def _at_boot(crash: str) -> list[str]:
    """drivers/misc/lkdtm/core.c, lkdtm_module_init: DIRECT is called as it is registered."""
    return ["lkdtm.cpoint_name=DIRECT", f"lkdtm.cpoint_type={crash}"]
