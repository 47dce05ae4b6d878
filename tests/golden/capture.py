"""Make a golden console file out of a real guest that is told to fail.

    python -m tests.golden.capture ppc64-radix exec-null --crash EXEC_NULL
    python -m tests.golden.capture s390x oom --append panic_on_oom=0 'tail /dev/zero'

``--crash`` names a crash point of lkdtm (CONFIG_LKDTM, debugfs provoke-crash/DIRECT);
otherwise the words are a shell command of the guest. The file is TARGET-NAME.txt; read
it, and what its headers claim, before it is committed.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from harness.campaign.provide import Needs, Provider
from harness.deadline import Deadline
from harness.errors import DaxhoundError, KernelReported
from harness.guest.boot import BootRequest, Guest, boot
from harness.progress import Progress
from harness.records import Layout
from harness.store import Store
from harness.target import Target, load_targets
from tests.golden.console_file import DIRECTORY, write_golden
from tests.support.guests import boot_request

_PROVOKE = "echo {} > /sys/kernel/debug/provoke-crash/DIRECT"


def capture(options: argparse.Namespace) -> Path:
    """The written file. Raises DaxhoundError where no guest comes up at all."""
    target = _with_words(load_targets()[options.target], options.append)
    provider = Provider(Store.default(), options.kernel, Progress())
    provisions = provider.provide(Needs(target))
    command = _PROVOKE.format(options.crash) if options.crash else " ".join(options.command)
    with tempfile.TemporaryDirectory(prefix="dx-") as directory:
        layout, scale = Layout(options.ram << 20, options.cpus), options.patience
        request = boot_request(provider, target, layout, Path(directory), scale=scale)
        emulator = _run(request, command, options.seconds)
        log = request.console_log.read_bytes()
    path = DIRECTORY / f"{options.target}-{options.name}.txt"
    origin = f"a guest of our own, Linux {provisions.kernel.release}, {emulator}, TCG; {command}"
    write_golden(path, origin, log)
    return path


def _with_words(target: Target, words: list[str]) -> Target:
    append = (*target.qemu.append, *words)
    return target.model_copy(update={"qemu": target.qemu.model_copy(update={"append": append})})


def _run(request: BootRequest, command: str, seconds: float) -> str:
    """The guest's whole life; the emulator's version."""
    emulator = "QEMU"
    try:
        with boot(request) as guest:
            emulator = f"QEMU {'.'.join(map(str, guest.emulator.version))}"
            try:
                guest.shell.run(command, Deadline.after(seconds))
            except DaxhoundError:
                pass  # what this is for; the console has it
            finally:
                _listen(guest, seconds)
    except KernelReported:
        pass  # the guest was ended with its report on the console
    return emulator


def _listen(guest: Guest, seconds: float) -> None:
    """Take in what still comes, until the guest has said nothing new for three seconds."""
    deadline = Deadline.after(seconds)
    tail = ""
    while guest.console.tail != tail and not guest.console.ended and not deadline.expired:
        tail = guest.console.tail
        for _ in range(3):
            guest.console.drain(deadline)


def main() -> None:
    """One guest, one file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("target", choices=sorted(load_targets()))
    parser.add_argument("name", help="the file is TARGET-NAME.txt")
    parser.add_argument("command", nargs="*", help="what to do in the guest")
    parser.add_argument("--crash", metavar="POINT", help="a crash point of lkdtm instead")
    parser.add_argument("--kernel", default="debian:6.1")
    parser.add_argument("--append", action="append", default=[], metavar="WORD")
    parser.add_argument("--seconds", type=float, default=30.0, help="how long the crash may take")
    parser.add_argument("--ram", type=int, default=1024, metavar="MIB")
    parser.add_argument("--cpus", type=int, default=2)
    parser.add_argument("--patience", type=float, default=4.0)
    print(capture(parser.parse_args()))


if __name__ == "__main__":
    main()
