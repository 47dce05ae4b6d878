"""Write docs/coverage.md of runs on guests.

.venv/bin/python -m tests.coverage results/A results/B ...
"""

from __future__ import annotations

import sys
from pathlib import Path

from harness.errors import UserError
from harness.report.run import read_run
from tests.coverage.families import FAMILIES, load_threads
from tests.coverage.page import render_coverage


def main() -> int:
    if len(sys.argv) < 2:
        print(__doc__, file=sys.stderr)
        return 4
    try:
        page = render_coverage(load_threads(), [read_run(Path(name)) for name in sys.argv[1:]])
    except UserError as exc:
        print(exc, file=sys.stderr)
        return 4
    FAMILIES.with_suffix(".md").write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
