"""One command in a guest: by daxhound, by virtme-ng and by tuxrun, which boot one kernel.

    .venv/bin/python -m bench.peers --arch x86_64

virtme-ng's guest has the host's root, so it takes part where the target is of the host's
architecture; the kernel then has bench/kconfigs/peers.config on top, for the file systems that
this needs. tuxrun is given the image of daxhound's own guests, and runs as root alone, as LAVA's
dispatcher wants it. From Enter to what `uname -r` prints, and to the end of the run, in turns.
Beside it a cell of one step, which is what daxhound is for. A peer that cannot be had or run is
left out, with the reason.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import pexpect

import harness
from bench.figure import Figure, conclude, ratios
from bench.peer_tools import environment_of, provide_tuxrun, provide_virtme_ng
from harness.errors import InfrastructureError
from harness.image import provide_base_image, provide_init
from harness.kernel.build import provide_kernel
from harness.kernel.built import BuiltKernel
from harness.kernel.spec import parse_kernel_spec
from harness.machine.acceleration import AccelerationMemory, host_architecture
from harness.machine.versions import Emulator, find_emulator
from harness.progress import Progress
from harness.store import Store
from harness.target import Target, load_targets

# Targets that tuxrun has a machine for.
_TUXRUN_DEVICES = {
    "arm64": "qemu-arm64",
    "ppc64-hash": "qemu-ppc64le",
    "s390x": "qemu-s390",
    "x86_64": "qemu-x86_64",
}
_FRAGMENT = Path(__file__).parent / "kconfigs" / "peers.config"
_CELL = "step-features"
_COMMAND = "uname -r"
_CPIO_HEADER_BYTES = 110  # of the new ASCII format, cpio(5)
_SECONDS = 300
_PROMPT = "~ # "
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True, slots=True)
class Run:
    """Seconds from Enter to the answer, and to the end of all."""

    answer: float
    whole: float


Runner: TypeAlias = Callable[[], Run]


@dataclass(frozen=True, slots=True)
class Bench:
    """What all boot from. ``folder`` has a copy of the harness that knows the fragment."""

    folder: Path
    store: Store
    target: Target
    kernel: BuiltKernel
    emulator: Emulator
    image: Path

    @property
    def accelerated(self) -> bool:
        """Whether daxhound's guests run under KVM, once one of them has run."""
        memory = AccelerationMemory.of(self.store.root, self.emulator, self.target.qemu.cpu)
        return bool(memory.recall())

    @property
    def chosen(self) -> list[str]:
        """Options of daxhound's for this kernel."""
        config = ["--config", _FRAGMENT.stem] * is_native(self.target)
        return [*config, "--kernel", self.kernel.spec]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.peers", description=__doc__)
    parser.add_argument("--arch", default="x86_64", choices=_TUXRUN_DEVICES)
    parser.add_argument("--kernel", default="debian:6.1")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="dx-bench-") as name:
        bench = set_up(Path(name), load_targets()[options.arch], options.kernel)
        ours: dict[str, Runner] = {
            "a cell of daxhound": lambda: run_cell(bench),
            "daxhound shell": lambda: run_shell(bench),
        }
        peers: dict[str, Runner] = {"tuxrun": lambda: run_tuxrun(bench)}
        if is_native(bench.target):
            peers["virtme-ng"] = lambda: run_virtme_ng(bench)
        # Not counted: what the first run of each makes or finds out.
        for run in ours.values():
            run()
        peers = {name: run for name, run in peers.items() if works(name, run)}
        rounds = [in_turns(ours | peers, backwards=n % 2 == 1) for n in range(options.rounds)]
    return conclude(figures(rounds, ours, peers))


def is_native(target: Target) -> bool:
    """Whether a guest's programs are the host's."""
    return host_architecture(platform.machine()) == target.arch


def set_up(folder: Path, target: Target, kernel: str) -> Bench:
    """Build or find the kernel and the image. Raises as ``provide_kernel`` does."""
    shutil.copytree(Path(harness.__file__).parent, folder / "harness")
    fragments_dir = folder / "harness" / "data" / "kconfigs"
    shutil.copy2(_FRAGMENT, fragments_dir)
    store, progress = Store.default(), Progress()
    fragments = (*target.kernel.fragments, *[_FRAGMENT.stem] * is_native(target))
    spec = parse_kernel_spec(kernel)
    built = provide_kernel(spec, target, fragments, store, progress, fragments_dir=fragments_dir)
    emulator = find_emulator(target.qemu.binary, target.packages.qemu)
    image = folder / "rootfs.cpio"
    base = provide_base_image(target, store, progress)
    image.write_bytes(_one_archive(provide_init(target, store).read_bytes(), base.read_bytes()))
    return Bench(folder, store, target, built, emulator, image)


def works(name: str, run: Runner) -> bool:
    """Whether a peer can be measured; says why not."""
    try:
        run()
    except (InfrastructureError, subprocess.CalledProcessError) as exc:
        lines = str(getattr(exc, "output", None) or exc).strip().splitlines()
        print(f"{name}: not measured: {_COLOUR.sub('', lines[-1])}", flush=True)
        return False
    return True


def in_turns(runs: Mapping[str, Runner], *, backwards: bool) -> dict[str, Run]:
    """Each once; every other round the other way round, so that none is always the first."""
    names = [*runs][:: -1 if backwards else 1]
    return {name: runs[name]() for name in names}


def _one_archive(first: bytes, second: bytes) -> bytes:
    """Of two archives: cpio, which peers unpack with, reads up to the first's trailer."""
    trailer = first.index(b"TRAILER!!!") - _CPIO_HEADER_BYTES
    return first[:trailer] + second


def figures(
    rounds: Sequence[Mapping[str, Run]], ours: Collection[str], peers: Collection[str]
) -> Iterator[Figure]:
    answers = {name: [each[name].answer for each in rounds] for name in (*ours, *peers)}
    for name, seconds in answers.items():
        yield Figure(f"{name}: Enter to the answer", tuple(seconds), "s")
        wholes = tuple(each[name].whole for each in rounds)
        yield Figure(f"{name}: Enter to the end", wholes, "s")
    for name in ours:
        for peer in peers:
            times = ratios(answers[name], answers[peer])
            yield Figure(f"{name}: Enter to the answer", times, "times", peer)


def run_cell(bench: Bench) -> Run:
    """A scenario of one step; its answer is the word PASSED."""
    results = bench.folder / "results"
    command = [sys.executable, "-m", "pytest", "-v", "harness/data/scenarios/steps.yaml"]
    # As this project's own configuration has it: hypothesis loads all of itself at the end.
    command += ["-p", "no:cacheprovider", "-p", "no:hypothesispytest", "-k", _CELL]
    command += ["--arch", bench.target.name, *bench.chosen, "--results", str(results)]
    try:
        return timed(command, lambda line: "PASSED" in line, bench.folder, os.environ)
    finally:
        shutil.rmtree(results, ignore_errors=True)


def run_shell(bench: Bench) -> Run:
    """``daxhound shell`` on a terminal, where somebody types the command."""
    arguments = ["-m", "harness.cli", "shell", bench.target.name, *bench.chosen]
    started = time.monotonic()
    terminal = pexpect.spawn(
        sys.executable, arguments, cwd=str(bench.folder), timeout=_SECONDS, encoding="utf-8"
    )
    terminal.delaybeforesend = None
    try:
        terminal.expect_exact(_PROMPT)
        terminal.sendline(_COMMAND)
        terminal.expect_exact(f"\n{bench.kernel.release}\r")
        answer = time.monotonic() - started
        terminal.sendline("exit")
        terminal.expect(pexpect.EOF)
        return Run(answer, time.monotonic() - started)
    finally:
        terminal.close(force=True)


def run_virtme_ng(bench: Bench) -> Run:
    """The host's own root, read-only; as much memory and as many CPUs as daxhound's guest has.

    -v, so that the answer comes on the console where the host has no udev, whose names of serial
    ports virtme-ng needs for anything else; the kernel stays as quiet as without.
    """
    command = ["vng", "-v", "--append", "loglevel=1", "--run", str(bench.kernel.image)]
    command += ["--cpus", "2", "--memory", "2G", *["--disable-kvm"] * (not bench.accelerated)]
    return run_peer([*command, "--", _COMMAND], provide_virtme_ng(bench.store), bench)


def run_tuxrun(bench: Bench) -> Run:
    """No container, and no root file system but ours: its init brings up a shell."""
    command = ["tuxrun", "--runtime", "null"]
    command += ["--device", _TUXRUN_DEVICES[bench.target.name]]
    command += ["--kernel", str(bench.kernel.image), "--rootfs", str(bench.image)]
    arguments = f"daxhound.interactive={bench.target.qemu.console_tty}"
    command += ["--boot-args", arguments, "--prompt", _PROMPT]
    command += ["--enable-kvm"] * bench.accelerated
    return run_peer([*command, "--", _COMMAND], provide_tuxrun(bench.store), bench)


def run_peer(command: Sequence[str], tools: Path, bench: Bench) -> Run:
    def answers(line: str) -> bool:
        # tuxrun's are in colours and have a time before them.
        words = _COLOUR.sub("", line).split()
        return words[-1:] == [bench.kernel.release] and len(words) <= 2

    programs = bench.emulator.path.parent
    with tempfile.TemporaryDirectory(prefix="peer-", dir=bench.folder) as home:
        environment = environment_of(tools, Path(home), programs, os.environ)
        return timed(command, answers, Path(home), environment)


def timed(
    command: Sequence[str],
    answers: Callable[[str], bool],
    folder: Path,
    environment: Mapping[str, str],
) -> Run:
    """Run to the end. Raises CalledProcessError for one that has no answer."""
    limited = ["timeout", "--kill-after=10", str(_SECONDS), *command]
    said: list[str] = []
    found: float | None = None
    started = time.monotonic()
    with subprocess.Popen(
        limited,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as run:
        assert run.stdout is not None
        for line in run.stdout:
            said.append(line)
            if found is None and answers(line):
                found = time.monotonic() - started
    if found is None:
        raise subprocess.CalledProcessError(run.returncode, command, "".join(said))
    return Run(found, time.monotonic() - started)


if __name__ == "__main__":
    sys.exit(main())
