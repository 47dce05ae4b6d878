"""A guest whose programs come from an archive that somebody gave, not from Debian's packages."""

from __future__ import annotations

import subprocess
import tarfile
from pathlib import Path

import pytest

from harness.campaign.attempt import RunOptions
from harness.campaign.cell import CellRunner
from harness.campaign.order import Order
from harness.campaign.pool import GuestPool
from harness.campaign.provide import Provider
from harness.image.packages import load_guest_contents
from harness.image.root import provide_packages
from harness.records import Verdict
from harness.scenario.expand import expand
from harness.scenario.find import find_scenario
from harness.target import load_targets

pytestmark = pytest.mark.guest

S390X = load_targets()["s390x"]


def test_a_root_file_system_in_an_archive_will_do(provider: Provider, tmp_path: Path) -> None:
    packages = provide_packages(S390X.debian, load_guest_contents().of(S390X), provider.store)
    root, archive = tmp_path / "root", tmp_path / "root.tar.gz"
    for package in packages.glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", str(package), str(root)], check=True)
    with tarfile.open(archive, "w:gz", compresslevel=1) as tar:
        tar.add(root, arcname=".")

    given = Provider(provider.store, str(provider.spec), provider.progress, guest_root=archive)
    (cell, *_) = expand(find_scenario("gup-anon"), {"s390x": S390X})
    result = CellRunner(given, RunOptions(), tmp_path, GuestPool(0)).run(Order(cell))
    assert result.verdict is Verdict.OK, result.reason
