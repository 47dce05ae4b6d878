"""The default scenarios again and again, until the host's trouble shows or enough was seen.

    make soak                                              # or, with a limit of one's own:
    .venv/bin/python -m tests.soak --arch s390x --minutes 60

A cell that had to be tried again counts as trouble, whatever came of the second try. The
exit status is 1 as soon as there is one; what it came to then is the number to report.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--arch", default="all", metavar="TARGET")
    parser.add_argument("--cells", type=int, default=300, help="enough (default: 300)")
    parser.add_argument("--minutes", type=float, default=600.0, help="no longer than that")
    parser.add_argument("--results", type=Path, default=Path("results/soak"))
    parser.add_argument("pytest", nargs="*", help="options for pytest, after --")
    options = parser.parse_args()
    end = time.monotonic() + 60.0 * options.minutes
    cells = rounds = 0
    while cells < options.cells and time.monotonic() < end:
        folder = options.results / f"round-{rounds:04}"
        found = _round(folder, options.arch, options.pytest)
        rounds, cells = rounds + 1, cells + len(found)
        trouble = [cell for cell in found if is_trouble(cell)]
        print(f"round {rounds}: {len(found)} cells, {cells} in all", flush=True)
        if trouble or not found:
            print(tell(trouble) or f"no cell came to an end: {folder}", flush=True)
            return 1
    print(f"{cells} cells in {rounds} rounds without any trouble of the host's")
    return 0


def is_trouble(cell: Mapping[str, Any]) -> bool:
    """Whether a cell of run.json met the host's trouble, even if a second try did not."""
    return cell["verdict"] == "infrastructure" or bool(cell["retried"])


def tell(trouble: Iterable[Mapping[str, Any]]) -> str:
    """Each cell with its first try's story."""
    return "\n".join(f"{cell['id']}: {cell['note'] or cell['reason']}" for cell in trouble)


def _round(folder: Path, arch: str, options: list[str]) -> list[Mapping[str, Any]]:
    command = (sys.executable, "-m", "pytest", "scenarios", "-q", "--arch", arch)
    subprocess.run((*command, "--results", str(folder.resolve()), *options), cwd=ROOT, check=False)
    path = folder / "run.json"
    return json.loads(path.read_text(encoding="utf-8"))["cells"] if path.exists() else []


if __name__ == "__main__":
    sys.exit(main())
