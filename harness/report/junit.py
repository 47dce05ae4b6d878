"""JUnit XML, as CI systems read it: a suite for each scenario file, target and kernel."""

from __future__ import annotations

from junitparser import Error, Failure, JUnitXml, Skipped
from junitparser.xunit2 import TestCase, TestSuite

from harness.records import Verdict
from harness.report.findings import what_of
from harness.report.material import Material
from harness.report.run import Cell, Run
from harness.report.story import read_story
from harness.report.text import printable, printable_lines


def render_junit(material: Material) -> str:
    """One document; control characters of guests are shown as ``\\x1b``."""
    document = JUnitXml("daxhound")
    suites: dict[tuple[str, str, str], TestSuite] = {}
    for cell in material.run.cells:
        key = cell.file, cell.entry.target, cell.kernel_spec
        if key not in suites:
            suites[key] = _suite(material.run, *key)
        suites[key].add_testcase(_case(cell))
    for suite in suites.values():
        document.add_testsuite(suite)
    if material.run.document.incomplete:
        document.add_testsuite(_lack(material.run))
    document.update_statistics()
    xml: bytes = document.tostring()
    return xml.decode("utf-8") + "\n"


def _suite(run: Run, file: str, target: str, kernel: str) -> TestSuite:
    suite = TestSuite(printable(f"{file} {target} {kernel}"))
    suite.add_property("target", printable(target))
    suite.add_property("kernel", printable(kernel))
    if run.series is not None:
        suite.add_property("series", printable(run.series.name))
    if run.document.started:
        suite.timestamp = printable(run.document.started)
    return suite


def _case(cell: Cell) -> TestCase:
    entry = cell.entry
    name = printable(entry.id.split("::", 1)[-1])
    case = TestCase(name, printable(cell.file.removesuffix(".yaml")), entry.seconds)
    for key, value in _properties(cell).items():
        case.add_property(key, printable(value))
    reason = "\n".join(printable_lines(entry.reason))
    if cell.spoilt_by:
        case.result = _told(Failure(printable(what_of(cell)), cell.spoilt_by), cell)
    elif entry.verdict is Verdict.UNSUPPORTED:
        case.result = Skipped(reason, entry.verdict.value)
    elif entry.verdict is not Verdict.OK:
        kind = Error if entry.verdict is Verdict.INFRASTRUCTURE else Failure
        case.result = _told(kind(reason, entry.verdict.value), cell)
    return case


def _told(result: Error | Failure, cell: Cell) -> Error | Failure:
    result.text = "\n".join(printable_lines(read_story(cell).text))
    return result


def _lack(run: Run) -> TestSuite:
    """A suite of one error: what did not run is in no other, and would pass for not chosen."""
    suite, case = TestSuite("the run"), TestCase("all cells have run", "daxhound")
    case.result = Error("\n".join(printable_lines("\n".join(run.notes))), "incomplete")
    suite.add_testcase(case)
    return suite


def _properties(cell: Cell) -> dict[str, str]:
    entry, comparison = cell.entry, cell.entry.comparison
    found = {
        "verdict": entry.verdict.value,
        "target": entry.target,
        "kernel": entry.kernel,
        "compared": str(entry.compared),
        "rules": " ".join(entry.rules),
    }
    if entry.config:
        found["config"] = " ".join(entry.config)
    if cell.known_defects:
        found["known defects"] = " ".join(cell.known_defects)
    if comparison is not None:
        found["comparison"] = comparison.word
        if comparison.base is not None:
            found["base"] = comparison.base.verdict
        if comparison.patch is not None:
            found["patch"] = f"{comparison.patch} {comparison.patch_subject or ''}".strip()
    return found
