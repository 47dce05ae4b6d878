"""Programs of the guest beside daxprobe: who gets them, and what they are linked with."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from harness.errors import InfrastructureError
from harness.image import EXTRA_PROGRAMS, libraries, programs
from harness.image.libraries import provide_libraries
from harness.image.packages import load_guest_contents
from harness.image.programs import provide_rdmaprobe
from harness.progress import Silence
from harness.scenario.expand import Cell, expand
from harness.scenario.find import SCENARIOS_DIR
from harness.scenario.schema import load_scenarios
from harness.scenario.steps import STEPS
from harness.store import Store
from harness.target import load_targets

TARGET = load_targets()["x86_64"]


class Packages:
    """In apt's place: each package asked for, with a header, a library and a manual."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def closure(self, *_: object) -> tuple[str, ...]:
        raise AssertionError("nothing that libraries depend on is needed to link them")

    def download(self, wanted: Sequence[str], into: Path) -> tuple[Path, ...]:
        self.asked += wanted
        return tuple(self._build(name.partition(":")[0], into) for name in wanted)

    def _build(self, name: str, into: Path) -> Path:
        root = into / name
        for path in (f"usr/include/{name}.h", f"lib/x86_64-linux-gnu/{name}.a", "usr/share/man/x"):
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(name)
        (root / "DEBIAN").mkdir()
        control = (
            f"Package: {name}\nVersion: 1\nArchitecture: amd64\nMaintainer: x\nDescription: x\n"
        )
        (root / "DEBIAN/control").write_text(control)
        deb = into / f"{name}.deb"
        command = ["dpkg-deb", "--root-owner-group", "-b", str(root), str(deb)]
        subprocess.run(command, check=True, capture_output=True)
        return deb


def test_headers_and_static_libraries_are_kept_and_nothing_else(tmp_path: Path) -> None:
    store, packages = Store(tmp_path), Packages()
    root = provide_libraries(TARGET, store, Silence(), packages)
    names = load_guest_contents().libraries
    kept = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
    assert kept == {f"usr/include/{name}.h" for name in names} | {
        f"usr/lib/x86_64-linux-gnu/{name}.a" for name in names
    }
    assert provide_libraries(TARGET, store, Silence(), packages) == root
    assert packages.asked == [f"{name}:amd64" for name in names]


def test_packages_without_the_libraries_are_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(libraries, "PrivateApt", lambda *_: Packages())
    with pytest.raises(InfrastructureError, match=r"not all of libibverbs\.a"):
        provide_rdmaprobe(TARGET, Store(tmp_path), Silence())


def test_another_version_of_what_is_linked_is_another_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[list[str]] = []

    def compile_program(_target: object, command: list[str], _what: str) -> None:
        built.append(command)
        Path(command[command.index("-o") + 1]).write_bytes(b"program")

    def root_of(name: str) -> Path:
        library = tmp_path / name / "usr/lib/x"
        library.mkdir(parents=True)
        for file in ("libibverbs.a", "librxe-rdmav34.a", "libnl-route-3.a", "libnl-3.a"):
            (library / file).touch()
        return tmp_path / name

    monkeypatch.setattr(programs, "compile_program", compile_program)
    for name in ("one", "two"):
        root = root_of(name)
        monkeypatch.setattr(programs, "provide_libraries", lambda *_, root=root: root)
        for _ in range(2):
            provide_rdmaprobe(TARGET, Store(tmp_path / "store"), Silence())
    assert [
        str(tmp_path / name / "usr/lib/x/libnl-3.a") in command
        for name, command in zip(("one", "two"), built, strict=True)
    ] == [True, True]


def test_every_program_that_a_step_names_can_be_had() -> None:
    named = {name for step in STEPS.values() for name in step.programs}
    assert named == set(EXTRA_PROGRAMS)


def cells(file: str) -> list[Cell]:
    scenarios = load_scenarios(SCENARIOS_DIR / file)
    return [cell for scenario in scenarios for cell in expand(scenario, {"x86_64": TARGET})]


def test_only_cells_with_such_a_step_need_it_and_share_guests_among_themselves() -> None:
    rdma, others = cells("rdma.yaml"), cells("gup.yaml")
    assert {cell.programs for cell in rdma} == {("rdmaprobe",)}
    assert {cell.programs for cell in others} == {()}
    assert not {cell.guest for cell in rdma} & {cell.guest for cell in others}
