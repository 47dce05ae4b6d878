"""Imports point downwards only: the layers of docs/architecture.md, enforced."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

LEAVES = {
    "errors",
    "records",
    "deadline",
    "units",
    "mistakes",
    "progress",
    "reasons",
    "host_version",
    "output",
    "run_folder",
    "scratch",
    "seals",
    "shipped",
    "whole_file",
}
READERS = LEAVES | {
    "yaml_document",
    "host_packages",
    "ignore",
    "gates",
    "target",
    "stand_ins",
    "command_line",
    "kconfig",
    "scenario",
    "git",
    "series",
}
EDGES = READERS | {"observe", "share", "store", "apt"} | {"kernel", "image", "machine", "guest"}

# What each part may import besides itself.
ALLOWED: dict[str, set[str]] = {
    **{leaf: {"errors", "records"} for leaf in LEAVES},
    "seals": {"errors", "records", "whole_file"},
    "yaml_document": LEAVES,
    "host_packages": LEAVES | {"yaml_document"},
    "ignore": LEAVES | {"yaml_document"},
    "gates": LEAVES | {"target"},
    "target": LEAVES | {"yaml_document"},
    "stand_ins": LEAVES | {"target"},
    "command_line": LEAVES | {"target", "host_packages"},
    "kconfig": LEAVES,
    "scenario": LEAVES | {"yaml_document", "target", "stand_ins"},
    "git": LEAVES | {"host_packages"},
    "series": LEAVES | {"git", "yaml_document"},
    "model": READERS,
    "observe": LEAVES,
    "triage": READERS | {"observe"},
    "compare": LEAVES,
    "contrast": LEAVES,
    "pairs": LEAVES,
    "report": LEAVES | {"pairs"},
    "share": LEAVES | {"observe"},
    "store_use": LEAVES,
    "store": LEAVES | {"store_use"},
    "prune": LEAVES | {"store"},
    "pack": LEAVES | {"store"},
    "plan": READERS,
    "apt": LEAVES | {"store", "yaml_document"},
    "kernel": READERS | {"store", "apt", "share"},
    "image": READERS | {"store", "apt", "share", "kernel"},
    "machine": READERS | {"store", "observe"},
    "guest": READERS | {"store", "machine", "image", "observe"},
    "doctor": READERS | {"apt", "machine"},
    "campaign": EDGES | {"model", "compare", "contrast", "pairs", "report"},
    "cluster": EDGES | {"campaign", "report"},
    "plugin": EDGES | {"campaign", "cluster", "report", "pairs", "model"},
    "commands": EDGES | {"campaign", "report", "triage", "doctor", "prune", "pack", "plan"},
    "cli": LEAVES | {"commands"},
    "manpage": {"cli", "commands"},
}


def _part(path: Path) -> str:
    return path.relative_to(ROOT / "harness").with_suffix("").parts[0]


def _imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
        found |= {name.split(".")[1] for name in names if name.startswith("harness.")}
    return found


MODULES = sorted(
    path for path in (ROOT / "harness").rglob("*.py") if path != ROOT / "harness/__init__.py"
)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_downwards(path: Path) -> None:
    part = _part(path)
    assert part in ALLOWED, f"{part} has no place in the layers yet"
    assert _imports(path) - {part} <= ALLOWED[part]


def test_model_and_observe_are_strangers() -> None:
    assert "observe" not in ALLOWED["model"]
    assert "model" not in ALLOWED["observe"]
    assert "model" not in ALLOWED["guest"]


def test_dask_is_imported_where_a_cluster_is_asked_for_alone() -> None:
    files = {
        path.relative_to(ROOT / "harness").as_posix()
        for path in MODULES
        if {"dask", "distributed", "psutil"} & _outside(path)
    }
    wanted = {f"cluster/{name}.py" for name in ("agent", "link", "runner", "worker")}
    assert files == wanted


def _outside(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.partition(".")[0])
    return found


def test_qemu_folder_is_no_package() -> None:
    """A package named qemu here would hide PyPI's namespace package of qemu.qmp."""
    assert not (ROOT / "qemu" / "__init__.py").exists()
