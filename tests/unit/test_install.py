"""The wheel: installed elsewhere, it has all that a checkout has."""

from __future__ import annotations

import json
import os
import shutil
import site
import subprocess
import sys
from pathlib import Path

import pytest

from harness.shipped import SHIPPED, shipped
from tests.support.checkout import copy_checkout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``bin/`` of a new environment that has the wheel, and beside it what the wheel needs.

    Nothing is fetched: the wheel is built and its dependencies found with what is here.
    """
    base = tmp_path_factory.mktemp("install")
    source = copy_checkout(base / "source")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    wheel = [*pip, "wheel", "--no-deps", "--no-index", "--no-build-isolation", "-w", str(base)]
    subprocess.run([*wheel, str(source)], check=True, capture_output=True)
    (built,) = base.glob("*.whl")
    shutil.rmtree(source)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", base / "venv"], check=True)
    into = [*pip, "--python", str(base / "venv/bin/python"), "install", "--no-deps", "--no-index"]
    subprocess.run([*into, str(built)], check=True, capture_output=True)
    (packages,) = base.glob("venv/lib/python3*/site-packages")
    # The last on the path: the wheel's own files come first.
    (packages / "needs.pth").write_text("\n".join(site.getsitepackages()))
    return base / "venv/bin"


def run(installed: Path, cwd: Path, *words: str) -> str:
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(
        [installed / words[0], *words[1:]],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_every_shipped_folder_is_complete(installed: Path, tmp_path: Path) -> None:
    for name in SHIPPED:
        there = Path(run(installed, tmp_path, "daxhound", "path", name).strip())
        assert there.is_relative_to(installed.parent)
        assert _files(there) == _files(shipped(name))


def _files(folder: Path) -> set[Path]:
    found = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc")
    return {path.relative_to(folder) for path in found}


def test_every_file_of_the_package_is_there(installed: Path) -> None:
    (packages,) = installed.parent.glob("lib/python3*/site-packages/harness")
    ours = shipped("qemu").parent / "harness"
    kept = {path for path in _files(ours) if path.parts[0] != "data"}
    assert kept == {path for path in _files(packages) if path.parts[0] != "data"}


def test_the_manual_page_is_where_man_looks(installed: Path) -> None:
    page = installed.parent / "share/man/man1/daxhound.1"
    assert page.read_bytes() == (shipped("qemu").parent / "docs/daxhound.1").read_bytes()


def test_commands_work_outside_of_a_checkout(installed: Path, tmp_path: Path) -> None:
    assert "ppc64-hash" in run(installed, tmp_path, "daxhound", "targets")
    words = ("predict", "devdax-map-mem", "--arch", "ppc64-hash", "--json")
    (first, *_) = json.loads(run(installed, tmp_path, "daxhound", *words))
    assert first["steps"]


def test_pytest_runs_the_shipped_scenarios(installed: Path, tmp_path: Path) -> None:
    folder = run(installed, tmp_path, "daxhound", "path", "scenarios").strip()
    words = ("-m", "pytest", folder, "--rootdir", ".", "--arch", "s390x", "--collect-only", "-q")
    said = run(installed, tmp_path, "python", *words, "-p", "no:cacheprovider")
    assert "gup.yaml::gup-anon[s390x-get-fast]" in said
    assert "error" not in said
