"""How rows of the table are written: shorthands for what most rows of a family share."""

from __future__ import annotations

import re

from harness.observe.locate import Choose, Where, at_fault, first
from harness.observe.report_class import ReportClass, Severity

# A function as "%pS" and "%ps" print it, behind "in" or "at".
FUNCTION = r"(?P<function>(?![0-9a-f]{8,}\b)[A-Za-z_$][\w$.]*)(?:\+0x[0-9a-f]+/0x[0-9a-f]+)?"


def fatal(
    kind: str, title: str, marker: str, *, joins_within: int = 3, explains: str = ""
) -> ReportClass:
    """The kernel, or the task in it, does not go on."""
    return ReportClass(
        kind,
        title,
        "fatal",
        re.compile(marker),
        joins_within=joins_within,
        explains=explains,
    )


def error(
    kind: str,
    title: str,
    marker: str,
    *,
    where: Where = at_fault,
    choose: Choose = first,
    skip: str | None = None,
    detail: str | None = None,
    patience: int = 30,
    severity: Severity = "error",
    timed: bool = False,
    joins_within: int = 0,
    explains: str = "",
    replaces: bool = False,
) -> ReportClass:
    """The kernel goes on, and something in it is wrong."""
    return ReportClass(
        kind,
        title,
        severity,
        re.compile(marker),
        patience=patience,
        where=where,
        choose=choose,
        skip=re.compile(skip) if skip else None,
        detail=re.compile(detail) if detail else None,
        timed=timed,
        joins_within=joins_within,
        explains=explains,
        replaces=replaces,
    )


def lone(kind: str, title: str, marker: str, *, severity: Severity = "error") -> ReportClass:
    """A report of one line, which names no function."""
    return ReportClass(kind, title, severity, re.compile(marker), patience=0, located=False)
