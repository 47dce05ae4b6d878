"""KCIDB, the format of KernelCI's common database: checkouts, builds and tests, schema 5.3."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

from harness import __version__
from harness.records import Verdict
from harness.report.material import Material
from harness.report.run import Cell, Run
from harness.report.story import read_emulation, read_story
from harness.report.text import printable, printable_lines

_STATUS = {
    Verdict.OK: "PASS",
    Verdict.MISMATCH: "FAIL",
    Verdict.KERNEL_FAILURE: "FAIL",
    Verdict.UNSUPPORTED: "SKIP",
    Verdict.INFRASTRUCTURE: "MISS",
}
_EXCERPT_CHARACTERS = 16_000


def render_kcidb(material: Material, origin: str = "daxhound") -> str:
    """One submission; ``origin`` is the name under which the CI system is known."""
    return json.dumps(_Submission(material.run, origin).document(), indent=1) + "\n"


class _Submission:
    def __init__(self, run: Run, origin: str) -> None:
        self.run = run
        self.origin = origin
        self.checkouts: dict[str, dict[str, Any]] = {}
        self.builds: dict[str, dict[str, Any]] = {}

    def document(self) -> dict[str, Any]:
        tests = []
        for cell in self.run.cells:
            build = self._build(cell)
            if not _is_build_failure(cell):
                tests.append(self._test(cell, build))
        return {
            "version": {"major": 5, "minor": 3},
            "checkouts": list(self.checkouts.values()),
            "builds": list(self.builds.values()),
            "tests": tests,
        }

    def _id(self, *parts: str | int | None) -> str:
        """The same for the same thing of the same run, and no other's."""
        text = "\0".join(map(str, (self.run.document.started, *parts)))
        return f"{self.origin}:{hashlib.sha256(text.encode('utf-8', 'replace')).hexdigest()[:40]}"

    def _checkout(self, cell: Cell) -> str:
        name = self._id("checkout", cell.kernel_spec, cell.patch)
        if name not in self.checkouts:
            comment = cell.kernel_spec
            if self.run.series is not None:
                comment += f" with {cell.patch or 0} patches of {self.run.series.name}"
            found = {
                "id": name,
                "origin": self.origin,
                "comment": printable(comment),
                "valid": True,
                "patchset_hash": self._patchset_hash(cell.patch),
                "start_time": self.run.document.started,
            }
            self.checkouts[name] = _known(found)
        return name

    def _patchset_hash(self, patch: int | None) -> str | None:
        """Of the patches that were applied; None where their hashes are not known."""
        if self.run.series is None:
            return ""
        applied = [p for p in self.run.series.patches if patch is None or p.position <= patch]
        hashes = [p.sha256 for p in sorted(applied, key=lambda p: p.position)]
        if not applied:
            return ""
        if None in hashes:
            return None
        return hashlib.sha256("".join(f"{one}\n" for one in hashes).encode()).hexdigest()

    def _build(self, cell: Cell) -> str:
        checkout = self._checkout(cell)
        config_name = "+".join((cell.entry.target, *cell.entry.config))
        name = self._id("build", checkout, config_name)
        build = self.builds.setdefault(
            name,
            {
                "id": name,
                "origin": self.origin,
                "checkout_id": checkout,
                "architecture": cell.entry.target.partition("-")[0],
                "config_name": config_name,
            },
        )
        if _is_build_failure(cell):
            build["status"] = "FAIL"
        elif cell.entry.guest_seconds > 0:
            build["status"] = "PASS"
            build["misc"] = {"release": printable(cell.entry.kernel)}
        return name

    def _test(self, cell: Cell, build: str) -> dict[str, Any]:
        entry, emulation = cell.entry, read_emulation(cell)
        guest = f", QEMU {emulation.version} {emulation.accelerator}" if emulation else ""
        found = {
            "id": self._id("test", entry.id, cell.kernel_spec, cell.patch),
            "origin": self.origin,
            "build_id": build,
            "environment": {"comment": printable(entry.target + guest)},
            "path": _path(cell),
            "comment": printable(entry.id),
            "status": "FAIL" if cell.spoilt_by else _STATUS[entry.verdict],
            "start_time": self.run.document.started,
            "duration": entry.seconds,
            "log_excerpt": _excerpt(cell),
            "misc": {
                "daxhound": __version__,
                "verdict": entry.verdict.value,
                "reason": "\n".join(printable_lines(entry.reason)),
                "rules": list(entry.rules),
                "known_defects": [printable(defect) for defect in cell.known_defects],
                "compared": entry.compared,
                "comparison": entry.comparison.word if entry.comparison else None,
            },
        }
        return _known(found)


def _is_build_failure(cell: Cell) -> bool:
    """Where the kernel does not build, there is no test."""
    return cell.entry.verdict is Verdict.KERNEL_FAILURE and cell.entry.phase == "build"


def _path(cell: Cell) -> str:
    """``daxhound.devdax.devdax-map-mem.16M``: what is tested, not where."""
    parts = ["daxhound", cell.file.removesuffix(".yaml"), cell.entry.scenario, cell.parameters]
    return ".".join(re.sub(r"[^a-zA-Z0-9_-]+", "_", part) for part in parts if part)


def _excerpt(cell: Cell) -> str | None:
    if cell.entry.verdict.is_expected and not cell.spoilt_by:
        return None
    lines = [printable(line) for line in read_story(cell).text.splitlines()]
    return "\n".join(lines)[:_EXCERPT_CHARACTERS]


def _known(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
