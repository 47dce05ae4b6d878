"""Harm to the store: damaged entries, and two runs that want the same one."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from harness.campaign.provide import Needs, Provider, Provisions
from harness.progress import Progress
from harness.store import Store
from harness.target import load_targets
from tests.faults.judge import exactly, never
from tests.faults.run import ROOT, Run
from tests.faults.trial import Surroundings, Trial, WrongError
from tests.faults.workspace import Workspace

_KERNEL = "debian:6.1"
_OTHER_SECONDS = 120.0
_DAMAGED = "is damaged"


def image_damaged(rng: random.Random, here: Surroundings) -> Trial:
    """One of a stored image's files is not what was stored."""
    path = rng.choice(_provisions(here).archives)
    told, damage = _damage(rng)

    def prepare(workspace: Workspace) -> Mapping[str, str]:
        copy = _private_cache(workspace, path.parent)
        damage(copy / path.name)
        return _environment(workspace)

    return Trial(
        what=f"the stored {path.name} of {path.parent.parent.name} is {told}",
        prepare=prepare,
        expected=exactly("ok", 0),
    )


def kernel_damaged(rng: random.Random, here: Surroundings) -> Trial:
    """The stored kernel is not what was built; it must be seen before it is booted."""
    told, damage = _damage(rng)

    def prepare(workspace: Workspace) -> Mapping[str, str]:
        image = _provisions(here).kernel.image
        copy = _private_cache(workspace, image.parent)
        damage(copy / image.name)
        return _environment(workspace)

    def act(run: Run) -> None:
        """Building it again takes minutes: that it begins is enough."""
        if not run.wait_for_text(_DAMAGED):
            raise WrongError("nobody saw that the kernel is damaged")
        run.wait_for_text("building", 20.0)
        run.process.send_signal(signal.SIGTERM)

    return Trial(
        what=f"the stored kernel is {told}",
        prepare=prepare,
        act=act,
        cells=None,
        expected=never("kernel-failure", "mismatch", "ok"),
    )


def shared_cache(rng: random.Random, here: Surroundings) -> Trial:
    """Two runs make the same images at the same time; one of them may be killed."""
    moment, doomed = rng.uniform(0.0, 3.0), rng.random() < 0.5

    def prepare(workspace: Workspace) -> Mapping[str, str]:
        cold = [path.parent for path in _provisions(here).archives]
        for copy in [_private_cache(workspace, entry) for entry in cold]:
            shutil.rmtree(copy)
        return _environment(workspace)

    def act(run: Run) -> None:
        _race(run, here.target, moment, doomed)

    end = f", which is killed after {moment:.1f} s" if doomed else ""
    return Trial(
        what=f"another run makes the same images{end}",
        prepare=prepare,
        act=act,
        expected=exactly("ok", 0),
    )


def _race(run: Run, target: str, moment: float, doomed: bool) -> None:
    environment = {
        **os.environ,
        **_environment(run.workspace),
        "TMPDIR": str(run.workspace.temporary),
    }
    command = (sys.executable, "-m", "harness.cli", "qemu", target)
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as other:
        if doomed:
            run.sleep(moment)
            other.kill()
        said, _ = other.communicate(timeout=_OTHER_SECONDS)
    if not doomed and other.returncode != 0:
        raise WrongError(f"the other run ended with {other.returncode}: {said.decode()[-500:]}")


def _provisions(here: Surroundings) -> Provisions:
    return Provider(Store.default(), _KERNEL, Progress()).provide(
        Needs(load_targets()[here.target])
    )


def _environment(workspace: Workspace) -> Mapping[str, str]:
    return {"DAXHOUND_CACHE": str(workspace.path / "cache")}


def _private_cache(workspace: Workspace, entry: Path) -> Path:
    """A store that is the user's in all but one entry, which is a copy; where that is."""
    cache, shared = workspace.path / "cache", Store.default().root
    cache.mkdir(exist_ok=True)
    for kind in shared.iterdir():
        if not kind.name.startswith(".") and not (cache / kind.name).exists():
            (cache / kind.name).symlink_to(kind)
    own = cache / entry.parent.name
    if own.is_symlink():
        own.unlink()
        own.mkdir()
        for other in entry.parent.iterdir():
            (own / other.name).symlink_to(other)
    seal = f".seals/{entry.parent.name}-{entry.name}.json"
    (cache / ".seals").mkdir(exist_ok=True)
    shutil.copy(shared / seal, cache / seal)
    copy = own / entry.name
    copy.unlink()
    shutil.copytree(entry, copy)
    return copy


def _damage(rng: random.Random) -> tuple[str, Callable[[Path], None]]:
    share, seed = rng.random(), rng.random()

    def cut(path: Path) -> None:
        os.truncate(path, int(path.stat().st_size * share))

    def zero(path: Path) -> None:
        _overwrite(path, share, bytes(1 << 16))

    def flip(path: Path) -> None:
        _overwrite(path, share, random.Random(seed).randbytes(64))

    at = f"{share:.0%} of its length"
    return rng.choice(
        (
            (f"cut at {at}", cut),
            (f"zeroed for 64 KiB at {at}", zero),
            (f"overwritten for 64 bytes at {at}", flip),
            ("empty", lambda path: os.truncate(path, 0)),
        )
    )


def _overwrite(path: Path, share: float, data: bytes) -> None:
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(max(0, int((size - len(data)) * share)))
        file.write(data)
