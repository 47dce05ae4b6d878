"""Every kind of harm, by name; each draws a trial from a generator of random numbers."""

from tests.faults.kinds.guest import (
    clock_jump,
    flood,
    guest_memory,
    hang,
    hang_at_boot,
    liar,
    panic,
    panic_at_boot,
    tool_missing,
    unconfirmed,
)
from tests.faults.kinds.host import backing_full, host_memory, results_full
from tests.faults.kinds.link import line_cut, shell_killed, ssh_cut, ssh_killed, unplugged
from tests.faults.kinds.process import freeze, kill, pause, stop
from tests.faults.kinds.signals import signal_run, signal_worker
from tests.faults.kinds.store import image_damaged, kernel_damaged, shared_cache
from tests.faults.trial import Kind

KINDS: dict[str, Kind] = {
    "kill": kill,
    "stop": stop,
    "pause": pause,
    "freeze": freeze,
    "line-cut": line_cut,
    "shell-killed": shell_killed,
    "ssh-cut": ssh_cut,
    "ssh-killed": ssh_killed,
    "unplugged": unplugged,
    "panic": panic,
    "unconfirmed": unconfirmed,
    "panic-at-boot": panic_at_boot,
    "hang": hang,
    "hang-at-boot": hang_at_boot,
    "flood": flood,
    "guest-memory": guest_memory,
    "liar": liar,
    "clock-jump": clock_jump,
    "tool-missing": tool_missing,
    "results-full": results_full,
    "backing-full": backing_full,
    "host-memory": host_memory,
    "image-damaged": image_damaged,
    "kernel-damaged": kernel_damaged,
    "shared-cache": shared_cache,
    "signal-run": signal_run,
    "signal-worker": signal_worker,
}

# Those that wait for a deadline take a minute each and are drawn less often.
WEIGHTS: dict[str, float] = {
    "kill": 3,
    "panic": 3,
    "signal-run": 3,
    "signal-worker": 2,
    "line-cut": 2,
    "results-full": 2,
    "stop": 0.7,
    "freeze": 0.7,
    "unplugged": 0.7,
    "hang": 0.7,
    "hang-at-boot": 0.5,
    "guest-memory": 0.5,
}
