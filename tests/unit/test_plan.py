"""CI matrices: that every cell is run once, and that the workflow files are what a CI takes."""

from __future__ import annotations

import bz2
import gzip
import io
import itertools
import json
import lzma
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from harness.cli import main
from harness.commands.named import choose_cells
from harness.errors import UserError
from harness.pack import pack, unpack
from harness.scenario.shard import Shard, in_guest_order
from harness.store import Store
from tests.support.scenarios import SCENARIO


def plan(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    assert main(["plan", *words]) == 0
    return json.loads(capsys.readouterr().out)


def validate(schema: str, path: Path) -> None:
    """With the schema that check-jsonschema brings along; nothing is fetched."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@given(st.lists(st.integers(), unique=True), st.integers(1, 12))
def test_shards_are_a_partition(keys: list[int], total: int) -> None:
    parts = [Shard(index, total).part(keys) for index in range(1, total + 1)]
    assert [key for part in parts for key in part] == keys
    sizes = {len(part) for part in parts}
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "1/0", "a/b", "1/2/3"])
def test_no_part_of_a_whole(text: str) -> None:
    with pytest.raises(UserError, match="--shard 2/8"):
        Shard.parse(text)


def collected(*words: str) -> list[str]:
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [line.split("/")[-1] for line in done.stdout.splitlines() if "::" in line]


def test_pytest_takes_the_shards_that_were_planned(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--arch", "s390x,ppc64-hash", "--shards", "3"]
    shards = plan(capsys, *words, "--scenario", "gup-anon", "--scenario", "devdax-map-mem")
    found = []
    for shard in shards["shards"]:
        arguments = ("--arch", shard["arch"], "--shard", shard["shard"])
        names = collected(*shard["scenarios"].split(), *arguments)
        assert len(names) == shard["cells"]
        assert {name.split("[")[1].rstrip("]") for name in names} <= {
            cell.name.split("[")[1].rstrip("]")
            for cell in choose_cells(shard["targets"], ["gup-anon", "devdax-map-mem"])
        }
        found += names
    cells = choose_cells(["s390x,ppc64-hash"], ["gup-anon", "devdax-map-mem"])
    assert sorted(found) == sorted(cell.id for cell in cells)


def test_words_for_several_are_planned_by_their_names(
    capsys: pytest.CaptureFixture[str], root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root)
    (every,) = plan(capsys, "--arch", "s390x")["shards"]
    assert every["scenarios"] == "scenarios/"
    (two,) = plan(capsys, "--arch", "s390x", "--scenario", "devdax-map-*")["shards"]
    named = [f"scenarios/devdax.yaml::devdax-map-{where}" for where in ("mem", "dev")]
    assert two["scenarios"].split() == named
    (core,) = plan(capsys, "--arch", "s390x", "--scenario", "core")["shards"]
    chosen = {cell.scenario for cell in choose_cells(["s390x"], ["core"])}
    assert {word.partition("::")[2] for word in core["scenarios"].split()} == chosen


def test_a_file_of_ones_own_is_planned(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine").mkdir()
    Path("mine/odd.yaml").write_text(SCENARIO)
    words = ("--arch", "s390x", "--scenario", "mine/odd.yaml", "--scenario", "step-features")
    shard, _ = plan(capsys, *words, "--shards", "2")["shards"]
    names = shard["scenarios"].split()
    assert names[0] == "mine/odd.yaml::gup-anon"
    found = collected(*names, "--arch", "s390x", "--shard", shard["shard"])
    assert len(found) == shard["cells"]
    assert "odd.yaml::gup-anon[s390x-get-fast]" in found
    Path("mine").rename("my own")
    assert main(["plan", "--scenario", "my own/odd.yaml", "--arch", "s390x"]) == 4
    assert "'my own/odd.yaml::gup-anon' has a space in it" in capsys.readouterr().err


def test_kernels_of_a_shard_are_few(capsys: pytest.CaptureFixture[str]) -> None:
    """Neighbours in the order are of one target: five targets in five shards touch few twice."""
    made = plan(capsys, "--arch", "all", "--kernel", "debian:6.1,debian:6.12", "--shards", "5")
    assert len(made["builds"]) == 10
    assert len(made["shards"]) == 10
    assert sum(len(shard["targets"]) for shard in made["shards"][:5]) <= 9
    assert sum(shard["cells"] for shard in made["shards"]) == 2 * len(choose_cells(None, None))
    names = [job["name"] for job in made["builds"] + made["shards"]]
    assert len(set(names)) == len(names)


def test_jobs_of_kernels_whose_names_are_alike_are_all_run(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A CI takes the second of two jobs of one name, and says nothing of the first."""
    kernels = ["git:~/linux@topic/a", "git:~/linux@topic-a", "git:~/linux@topic-a.2"]
    words = ("--arch", "s390x", "--scenario", "gup-anon", "--shards", "2")
    made = plan(capsys, *words, "--kernel", ",".join(kernels))
    for jobs, each in ((made["builds"], 1), (made["shards"], 2)):
        names = [job["name"] for job in jobs]
        assert len(set(names)) == len(names) == 3 * each
        assert {job["kernel"] for job in jobs} == set(kernels)


def test_a_configuration_is_planned_as_one_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--arch", "s390x", "--scenario", "gup-anon")
    night = plan(capsys, *words, "--config", "debug,no-memcg")
    assert [job["config"] for job in (*night["builds"], *night["shards"])] == ["debug,no-memcg"] * 2
    assert night["builds"][0]["name"] == "debian-6.1-s390x-debug-no-memcg"
    base = plan(capsys, *words, "--config", "")
    assert [job["config"] for job in (*base["builds"], *base["shards"])] == ["", ""]


def test_no_more_shards_than_cells(capsys: pytest.CaptureFixture[str]) -> None:
    made = plan(capsys, "--arch", "s390x", "--scenario", "devdax-map-mem", "--shards", "9")
    assert [shard["shard"] for shard in made["shards"]] == ["1/1"]


def test_order_keeps_every_cell_once() -> None:
    cells = choose_cells(None, None)
    ordered = in_guest_order(cells)
    assert sorted(cell.id for cell in ordered) == sorted(cell.id for cell in cells)


def changes(values: Sequence[object]) -> int:
    return sum(a != b for a, b in itertools.pairwise(values))


def test_order_changes_kernel_and_guest_as_seldom_as_can_be() -> None:
    guests = [cell.guest for cell in in_guest_order(choose_cells(None, None))]
    assert changes(guests) == len(set(guests)) - 1
    assert changes([guest[0] for guest in guests]) == len({guest[0] for guest in guests}) - 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--shards", "0"], "--shards 4"),
        (["--kernel", "6.1"], "debian:6.1"),
        (["--arch", "s309x"], "s390x"),
        (["--scenario", "gup-annon"], "gup-anon"),
    ],
)
def test_plans_that_cannot_be_meant(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plan", *words]) == 4
    assert said in capsys.readouterr().err


def test_github_reads_two_matrices(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--shards", "2", "--format", "github"]) == 0
    lines = dict(line.split("=", 1) for line in capsys.readouterr().out.splitlines())
    assert set(lines) == {"builds", "shards"}
    assert len(json.loads(lines["shards"])["include"]) == 2


def test_workflow_files_are_what_their_ci_takes(root: Path) -> None:
    validate("vendor.github-workflows", root / ".github/workflows/nightly.yml")
    validate("vendor.gitlab-ci", root / ".gitlab-ci.yml")


def test_gitlab_pipeline_is_what_gitlab_takes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--arch", "s390x,arm64", "--kernel", "debian:6.1,git:/a b@v6.12:x", "--shards", "3"]
    assert main(["plan", *words, "--format", "gitlab"]) == 0
    path = tmp_path / "night.yml"
    path.write_text(capsys.readouterr().out)
    validate("vendor.gitlab-ci", path)
    jobs = {k: v for k, v in yaml.safe_load(path.read_text()).items() if "stage" in v}
    stages = [job["stage"] for job in jobs.values()]
    assert (stages.count("build"), stages.count("shard"), stages.count("report")) == (4, 6, 1)
    assert {name for job in jobs.values() for name in job.get("needs", ())} <= set(jobs)


def packed(tmp_path: Path) -> Path:
    """A kernel in a file, with a member to each side of its content."""

    def build(into: Path) -> None:
        (into / "vmlinux").write_bytes(b"kernel" * 999)
        (into / "below").mkdir()
        (into / "below/config").write_text("CONFIG_X=y")
        (into / "config").hardlink_to(into / "below/config")

    here = Store(tmp_path / "here")
    here.provide("kernel", "k1", build)
    here.provide("source", "s1", build)
    Store(tmp_path / "here").find("kernel", "k1")
    assert pack(here, tmp_path / "store.tar") == 1
    return tmp_path / "store.tar"


@pytest.mark.parametrize("compress", [bytes, gzip.compress, lzma.compress, bz2.compress])
def test_what_was_built_travels(tmp_path: Path, compress: Callable[[bytes], bytes]) -> None:
    path, there = packed(tmp_path), Store(tmp_path / "there")
    path.write_bytes(compress(path.read_bytes()))
    assert unpack(there, path) == 1
    assert unpack(there, path) == 1
    entry = there.find("kernel", "k1")
    assert entry is not None
    assert (entry / "below/config").read_text() == "CONFIG_X=y"
    assert (entry / "config").read_text() == "CONFIG_X=y"
    assert there.find("source", "s1") is None


def test_a_file_that_cannot_be_sought_in_is_told(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    with pytest.raises(UserError, match=r"cannot be written: .*not seekable"):
        pack(Store(tmp_path), Path(f"/dev/fd/{writer}"))
    os.close(reader)
    os.close(writer)


@pytest.mark.parametrize("compress", [bytes, gzip.compress, lzma.compress, bz2.compress])
def test_nothing_is_taken_of_what_was_cut(
    tmp_path: Path, compress: Callable[[bytes], bytes]
) -> None:
    """Within a header, between two members, within content: at each half of a block."""
    path, store = packed(tmp_path), Store(tmp_path / "there")
    content = path.read_bytes()
    end = len(content.rstrip(b"\0"))
    whole = compress(content[:end])
    for size in range(0, len(whole), 256 if compress is bytes else len(whole) // 20):
        path.write_bytes(whole[:size])
        with pytest.raises(UserError, match=r"store\.tar: "):
            unpack(store, path)
    assert list(store.entries()) == []


def test_nothing_is_taken_of_what_was_damaged(tmp_path: Path) -> None:
    path, store = packed(tmp_path), Store(tmp_path / "there")
    content = path.read_bytes()
    for place in range(0, len(content.rstrip(b"\0")), 99):
        damaged = bytearray(content)
        damaged[place] ^= 1
        path.write_bytes(damaged)
        with pytest.raises(UserError, match=r"store\.tar: "):
            unpack(store, path)
    path.write_bytes(b"")
    with pytest.raises(UserError, match=r"(?s)cannot be read: .*\n  try: the file as"):
        unpack(store, path)
    assert list(store.entries()) == []


@pytest.mark.parametrize("name", ["../../etc/x/y", "source/s1/file", "kernel", "/kernel/a/b"])
def test_foreign_files_are_not_unpacked(name: str, tmp_path: Path) -> None:
    path = tmp_path / "foreign.tar"
    with tarfile.open(path, "w") as archive:
        member = tarfile.TarInfo(name)
        member.size = 1
        archive.addfile(member, io.BytesIO(b"x"))
    store = Store(tmp_path / "store")
    with pytest.raises(UserError, match="no part of a packed store"):
        unpack(store, path)
    assert list(store.entries()) == []
