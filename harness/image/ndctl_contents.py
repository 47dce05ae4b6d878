"""``ndctl-suite.yaml``: what ndctl's own tests are built of, and what goes in beside them."""

from __future__ import annotations

from pathlib import Path

from harness.yaml_document import Record, load_document

NDCTL_YAML = Path(__file__).parent / "ndctl-suite.yaml"

SUITE = "usr/lib/ndctl-suite"
"""Where the guest has ndctl's tests, in the folders that their scripts expect."""


class SourcePackage(Record):
    """A source package, and the suite of Debian's that it is taken from."""

    package: str
    suite: str


class NdctlContents(Record):
    """What the data file says.

    ``headers`` and all that they depend on are for linking; ``options`` are meson's.
    ``packages`` are fetched for ``programs``, which are paths in the guest; ``links`` and
    ``busybox`` are commands that stand for others.
    """

    source: SourcePackage
    headers: tuple[str, ...]
    options: tuple[str, ...]
    packages: tuple[str, ...]
    programs: tuple[str, ...]
    links: dict[str, str]
    busybox: tuple[str, ...]


def load_ndctl_contents(path: Path = NDCTL_YAML) -> NdctlContents:
    """The data file beside this module. Raises UserError with file and line."""
    return load_document(path, NdctlContents)
