"""docs/adding-an-architecture.md: its files and fields are there, and what it quotes is so."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from harness.target import Target, load_targets

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "adding-an-architecture.md").read_text(encoding="utf-8")
TARGETS = load_targets()
FIELDS = [
    field
    for row in re.findall(r"^\| (`[a-z_.]+`.*?) \|", PAGE, re.MULTILINE)
    for field in re.findall(r"`([a-z_.]+)`", row)
    if "/" not in field and not field.endswith((".yaml", ".j2"))
]
FILES = sorted(set(re.findall(r"`((?:qemu|kconfigs|harness)/[\w./-]+)`", PAGE)))


@pytest.mark.parametrize("field", FIELDS)
def test_a_field_that_is_explained_exists(field: str) -> None:
    model: Any = Target
    for name in field.split("."):
        annotation = model.model_fields[name].annotation
        parts = getattr(annotation, "__args__", (annotation,))
        model = next((part for part in parts if hasattr(part, "model_fields")), object)


def test_a_file_that_is_named_exists() -> None:
    assert {"qemu/riscv64.yaml", "qemu/virt-riscv.j2", "kconfigs/riscv64.config"} <= {*FILES}
    assert [name for name in FILES if not (ROOT / name).exists()] == []


def test_the_template_is_quoted_whole() -> None:
    quoted = re.search(r"^```jinja\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert quoted is not None
    assert quoted[1] == (ROOT / "qemu/virt-riscv.j2").read_text(encoding="utf-8")


def test_every_field_of_a_kernel_an_emulator_and_an_mmu_is_explained() -> None:
    without = {"kernel.fragments", "qemu.ram_base", "qemu.ram_granule", "qemu.numa"}
    wanted = {
        f"{part}.{name}"
        for part in ("kernel", "packages", "qemu", "mmu")
        for name in Target.model_fields[part].annotation.model_fields  # type: ignore[union-attr]
    }
    assert wanted - without == {field for field in FIELDS if field in wanted}


def test_the_example_names_no_kind_that_the_model_has_rules_for() -> None:
    kinds = {target.mmu.kind for name, target in TARGETS.items() if name != "riscv64"}
    assert TARGETS["riscv64"].mmu.kind not in kinds
    assert all(f"`{kind}`" in PAGE for kind in kinds)
