"""Modules of a kernel and the test twins of its drivers: what is built, and what is kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from harness.errors import KernelFailure, UserError
from harness.kernel.fragments import FRAGMENTS_DIR, load_fragments
from harness.kernel.modules import build_twins, has_modules, keep_modules
from harness.target import load_targets

NAME = "nfit-test"


@dataclass
class Recorded:
    """In the place of make: what it is told to do, and a module for each folder."""

    source: Path
    objects: Path
    broken: str = ""
    told: list[list[str]] = field(default_factory=list)

    def seen(self, path: Path) -> Path:
        return path

    def run(self, targets: list[str], **_: Any) -> None:
        self.told.append(targets)
        folder = Path(targets[0].removeprefix("M="))
        if folder.name in self.broken:
            raise KernelFailure(f"{folder.name} does not build")
        (folder / "libnvdimm.ko").write_text("twin")


def tree(root: Path, *folders: str) -> Path:
    for name in folders:
        (root / name).mkdir(parents=True)
        (root / name / "core.c").write_text("source")
    return root


DRIVERS = ("drivers/nvdimm", "drivers/dax", "drivers/acpi", "drivers/cxl")


def test_twins_are_built_in_a_copy_and_take_the_place_of_drivers(tmp_path: Path) -> None:
    source = tree(tmp_path / "source", "tools/testing/nvdimm", *DRIVERS)
    before = sorted(source.rglob("*"))
    objects = tree(tmp_path / "objects", "drivers/nvdimm", "drivers/dax")
    (objects / "modules.order").write_text(
        "kernel/drivers/nvdimm/libnvdimm.ko\ndrivers/dax/kmem.o\n"
    )
    for name in ("drivers/nvdimm/libnvdimm.ko", "drivers/dax/kmem.ko", "drivers/dax/gone.ko"):
        (objects / name).write_text("driver")
    (objects / ".config").write_text("CONFIG_LIBNVDIMM=m\nCONFIG_DEV_DAX_CXL=y\n")
    make = Recorded(source, objects)
    build_twins(make, 2)  # type: ignore[arg-type]
    keep_modules(objects, tmp_path / "kept")
    assert sorted(source.rglob("*")) == before
    (told,) = make.told
    assert told[0].startswith(f"M={objects}/")
    assert told[0].endswith("/tools/testing/nvdimm")
    kept = {str(p.relative_to(tmp_path / "kept")) for p in tmp_path.glob("kept/**/*.ko")}
    assert kept == {"modules/updates/libnvdimm.ko", "modules/kernel/drivers/dax/kmem.ko"}


@pytest.mark.parametrize("broken", ["cxl", "nvdimm"])
def test_cxl_test_alone_may_be_broken(tmp_path: Path, broken: str) -> None:
    source = tree(tmp_path / "source", "tools/testing/nvdimm", "tools/testing/cxl", *DRIVERS)
    objects = tree(tmp_path / "objects")
    (tmp_path / "objects").mkdir()
    (objects / ".config").write_text("CONFIG_LIBNVDIMM=m\nCONFIG_DEV_DAX_CXL=m\n")
    (objects / "modules.order").write_text("")
    make = Recorded(source, objects, broken)
    if broken == "nvdimm":
        with pytest.raises(KernelFailure, match="nvdimm does not build"):
            build_twins(make, 2)  # type: ignore[arg-type]
        return
    build_twins(make, 2)  # type: ignore[arg-type]
    assert keep_modules(objects, tmp_path / "kept") == {"cxl_test": False}
    assert [path.name for path in tmp_path.glob("kept/**/*.ko")] == ["libnvdimm.ko"]


def test_what_a_link_in_place_of_the_copies_leads_to_stays_as_it_is(tmp_path: Path) -> None:
    source = tree(tmp_path / "source", "tools/testing/nvdimm", *DRIVERS)
    home = tree(tmp_path / "home", "drivers/dax")
    objects = tree(tmp_path / "objects", "drivers")
    (objects / ".config").write_text("CONFIG_LIBNVDIMM=m\n")
    (objects / "daxhound-twins").symlink_to(home)
    build_twins(Recorded(source, objects), 2)  # type: ignore[arg-type]
    assert [path.name for path in home.rglob("*")] == ["drivers", "dax", "core.c"]
    assert (objects / "daxhound-twins/tools/testing/nvdimm/core.c").is_file()


def test_twins_that_do_not_build_are_not_removed_from_where_a_link_leads(tmp_path: Path) -> None:
    source = tree(tmp_path / "source", "tools/testing/cxl", *DRIVERS)
    home = tree(tmp_path / "home", "testing/cxl")
    objects = tree(tmp_path / "objects", "drivers")
    (objects / ".config").write_text("CONFIG_DEV_DAX_CXL=m\n")

    class Hostile(Recorded):
        def run(self, *_: Any, **__: Any) -> None:
            tools = self.objects / "daxhound-twins/tools"
            tools.rename(self.objects / "away")
            tools.symlink_to(home)
            raise KernelFailure("cxl does not build")

    with pytest.raises(KernelFailure, match="leads out of its object tree"):
        build_twins(Hostile(source, objects), 2)  # type: ignore[arg-type]
    assert (home / "testing/cxl/core.c").is_file()


@pytest.mark.parametrize(
    ("module", "order"),
    [
        ("objects/daxhound-twins/x/nfit.ko", ""),
        ("objects/drivers/dax/kmem.ko", "drivers/dax/kmem.o\n"),
        ("elsewhere", "../objects/x.o\n"),
    ],
)
def test_a_module_that_is_none_of_the_tree_is_not_kept(
    tmp_path: Path, module: str, order: str
) -> None:
    (tmp_path / "secret").write_text("id_rsa")
    objects = tree(tmp_path / "objects", "drivers")
    (objects / "x.ko").write_text("would be written beside what is kept")
    (objects / "modules.order").write_text(order)
    (tmp_path / module).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / module).symlink_to(tmp_path / "secret")
    with pytest.raises(KernelFailure, match="leads out of its object tree"):
        keep_modules(objects, tmp_path / "kept")
    assert not any(path.is_file() for path in tmp_path.glob("kept/**/*"))


def test_a_tree_without_its_tools_is_bad_input(tmp_path: Path) -> None:
    source = tree(tmp_path / "source", *DRIVERS)
    (tmp_path / ".config").write_text("CONFIG_LIBNVDIMM=m\n")
    with pytest.raises(UserError, match="this kernel has no tools/testing/nvdimm"):
        build_twins(Recorded(source, tmp_path), 2)  # type: ignore[arg-type]


def test_other_kernels_have_no_modules() -> None:
    for target in load_targets().values():
        assert not has_modules(load_fragments(target.kernel.fragments))


def test_the_configuration_asks_for_both_twins() -> None:
    target = load_targets()["x86_64"]
    requests = {r.symbol: r for r in load_fragments((*target.kernel.fragments, NAME))}
    assert has_modules(tuple(requests.values()))
    assert {requests[name].value for name in ("LIBNVDIMM", "CXL_BUS", "ACPI_NFIT")} == {"m"}
    assert requests["NVDIMM_SECURITY_TEST"].optional
    assert FRAGMENTS_DIR.joinpath(f"{NAME}.config").is_file()
