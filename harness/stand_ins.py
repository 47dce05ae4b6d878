"""What stands in for Debian's packages on this host: a compiler, and a root of the guests."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from harness.errors import UserError
from harness.target import Target, select_targets

_COMPILER, _ROOT = "--cross-compile", "--guest-root"


@dataclass(frozen=True, slots=True)
class StandIns:
    """A compiler's prefix, and an archive of a root file system; None is Debian's."""

    cross_compile: str | None = None
    guest_root: Path | None = None

    @classmethod
    def of(cls, options: Namespace) -> Self:
        """What was given of the options of :func:`add_stand_ins`."""
        return cls(options.cross_compile, options.guest_root)

    def select(self, arch: Iterable[str], known: Mapping[str, Target]) -> tuple[Target, ...]:
        """The named targets, their kernels and programs built by this compiler.

        Raises UserError for a name that is none, and for several architectures that one of
        these is to be for.
        """
        targets = select_targets(arch, known)
        for option, _ in self._given:
            _check_one_architecture(targets, option)
        if self.cross_compile is None:
            return targets
        return tuple(_with_compiler(target, self.cross_compile) for target in targets)

    @property
    def arguments(self) -> tuple[str, ...]:
        """The options that another run on this host needs as well."""
        return tuple(f"{option}={value}" for option, value in self._given)

    @property
    def _given(self) -> tuple[tuple[str, str], ...]:
        options = ((_COMPILER, self.cross_compile), (_ROOT, self.guest_root))
        return tuple((option, str(value)) for option, value in options if value is not None)


NO_STAND_INS = StandIns()


def add_stand_ins(add_option: Callable[..., object]) -> None:
    """The two options, by pytest's ``addoption`` or argparse's ``add_argument``."""
    add_option(
        _COMPILER,
        metavar="PREFIX",
        help="compiler of the one architecture that is run, in place of Debian's: the words "
        "before gcc, such as /opt/cross/bin/aarch64-linux-",
    )
    add_option(
        _ROOT,
        metavar="FILE",
        type=Path,
        help="tar archive of a root file system that the guests' programs are taken from, in "
        "place of Debian's packages",
    )


def _with_compiler(target: Target, prefix: str) -> Target:
    folder, slash, name = prefix.rpartition("/")
    if slash:  # make runs elsewhere
        prefix = f"{Path(folder or slash).absolute()}/{name}"
    kernel = target.kernel.model_copy(update={"cross_compile": prefix})
    return target.model_copy(update={"kernel": kernel})


def _check_one_architecture(targets: Iterable[Target], option: str) -> None:
    found = {target.kernel.arch: target.name for target in targets}
    if len(found) > 1:
        message = f"{option} is for one architecture, and this run has {', '.join(sorted(found))}"
        raise UserError(message, hint=f"--arch {next(iter(found.values()))}")
