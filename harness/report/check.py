"""A run as an exit code, for whoever decides by it."""

from __future__ import annotations

from harness.report.material import Material

NOTHING_NEW, SOMETHING_NEW, INCOMPLETE = 0, 1, 3
_NEW = ("regressed", "build-broken", "new failure", "fails otherwise", "changed", "failing")


def judge(material: Material) -> int:
    """1 where a cell fails that did not in the run before, or that nothing is known of before.

    Else 3 where the host failed or a run was ended before its time, so that there may be
    more; else 0. What failed before and still does is nothing new.
    """
    words = {finding.word for finding in material.findings}
    if words & set(_NEW):
        return SOMETHING_NEW
    incomplete = material.run.document.incomplete
    return INCOMPLETE if incomplete or "infrastructure" in words else NOTHING_NEW
