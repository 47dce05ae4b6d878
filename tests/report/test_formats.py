"""Each format read by a reader of its own: a library, a schema, or a parser written here."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from junitparser import JUnitXml
from junitparser.xunit2 import TestCase
from kcidb_io.schema import V5_3

from harness.cli import main
from harness.commands import report as command
from harness.report.formats import FORMATS
from harness.report.material import Material, gather
from tests.report.test_reading import edit

SOME = "devdax.yaml::devdax-map-mem[ppc64-hash-16M]@03"


@pytest.fixture(scope="module")
def series(series_run: Path) -> Material:
    return gather([series_run], None, Path())


@pytest.fixture
def hostile(clean_run: Path, tmp_path: Path) -> Material:
    """A run in which everything is meant to break a format."""
    bad = "\x1b[2J\x00]]><script>alert(1)</script>\n::error::x\nnot ok 1 # SKIP %0A & \ud800 é"

    def change(document: dict[str, list[dict[str, object]]]) -> None:
        for cell, verdict in zip(
            document["cells"], ("mismatch", "infrastructure", "unsupported"), strict=False
        ):
            cell.update(verdict=verdict, reason=bad, scenario=f"x # {bad}")

    directory = Path(shutil.copytree(clean_run, tmp_path / "run"))
    edit(directory, change)
    return gather([directory], None, Path())


def cases(xml: str) -> dict[str, TestCase]:
    document = JUnitXml.fromstring(xml.encode())
    return {
        f"{suite.name} {case.name}": TestCase.fromelem(case) for suite in document for case in suite
    }


def test_junit_tells_verdict_by_element_and_property(series: Material) -> None:
    found = cases(FORMATS["junit"](series))
    assert len(found) == len(series.run.cells)
    crash = found["devdax.yaml ppc64-hash debian:6.1 devdax-above-16g[ppc64-hash-mem]@02"]
    assert crash.is_failure
    (result,) = crash.result
    assert result.type == "kernel-failure"
    assert "kernel data access on write in __init_single_page" in result.message
    assert "| " in (result.text or "")
    properties = {one.name: one.value for one in crash.properties()}
    assert properties["patch"] == "2 mm/vmemmap: share struct pages on every architecture"
    assert properties["comparison"] == "regressed"
    assert "region.count" in properties["rules"].split()
    skipped = found["devdax.yaml s390x debian:6.1 devdax-map-mem[s390x]@01"]
    assert skipped.is_skipped
    assert "no pmem device" in skipped.result[0].message
    assert found[f"devdax.yaml ppc64-hash debian:6.1 {SOME.split('::')[1]}"].is_passed


def test_junit_of_hostile_text_is_xml(hostile: Material) -> None:
    found = cases(FORMATS["junit"](hostile)).values()
    kinds = {case.result[0].type: type(case.result[0]).__name__ for case in found if case.result}
    assert kinds == {"mismatch": "Failure", "infrastructure": "Error", "unsupported": "Skipped"}
    messages = [case.result[0].message for case in found if case.result]
    assert sum("\\x1b[2J\\x00]]><script>" in message for message in messages) == 3


@dataclass
class Node:
    ok: bool
    name: str
    directive: str
    subtests: list[Node] = field(default_factory=list)


RESULT = re.compile(r"(ok|not ok) ([1-9]\d*) ([^#]+?)(?: # (.*))?")


def parse_ktap(lines: list[str], depth: int = 0) -> list[Node]:
    """KTAP by its specification, strictly: versions, plans, numbers, indentation."""
    indent = "  " * depth
    assert lines.pop(0) == f"{indent}KTAP version 1"
    while lines[0].startswith(f"{indent}#"):
        lines.pop(0)
    plan = re.fullmatch(rf"{indent}1\.\.(\d+)", lines.pop(0))
    assert plan is not None
    nodes: list[Node] = []
    subtests: list[Node] = []
    while lines and len(nodes) < int(plan[1]):
        if lines[0].startswith(f"{indent}#"):
            lines.pop(0)
        elif lines[0].startswith(f"{indent}  "):
            subtests = parse_ktap(lines, depth + 1)
        else:
            match = RESULT.fullmatch(lines.pop(0).removeprefix(indent))
            assert match is not None
            assert int(match[2]) == len(nodes) + 1
            nodes.append(Node(match[1] == "ok", match[3], match[4] or "", subtests))
            subtests = []
    assert len(nodes) == int(plan[1])
    return nodes


def test_ktap_nests_cells_in_scenarios(series: Material) -> None:
    lines = FORMATS["ktap"](series).splitlines()
    scenarios = {node.name: node for node in parse_ktap(lines)}
    assert lines == []
    above = scenarios["devdax.yaml::devdax-above-16g"]
    assert not above.ok
    failed = [node for node in above.subtests if not node.ok]
    assert [node.name for node in failed] == [
        f"devdax-above-16g[ppc64-hash-mem]@{patch:02}" for patch in (2, 3, 4)
    ]
    assert failed[0].directive.startswith("kernel-failure: create-namespace: kernel data access")
    sizes = scenarios["devdax.yaml::devdax-sizes"]
    assert sizes.ok
    assert [n.directive for n in sizes.subtests if n.name.startswith("devdax-sizes[s390x")] == [
        "SKIP s390x: QEMU has no pmem device for this machine"
    ] * 5


def test_ktap_of_hostile_text_is_ktap(hostile: Material) -> None:
    lines = FORMATS["ktap"](hostile).splitlines()
    nodes = [cell for scenario in parse_ktap(lines) for cell in scenario.subtests]
    assert len(nodes) == len(hostile.run.cells)
    assert [node.directive.split()[0] for node in nodes if node.directive][:3] == [
        "mismatch:",
        "ERROR",
        "SKIP",
    ]


def test_kcidb_accepts_the_submission(series: Material) -> None:
    data = json.loads(FORMATS["kcidb"](series))
    assert V5_3.is_valid_exactly(data)
    status = {test["comment"]: test["status"] for test in data["tests"]}
    assert status["devdax.yaml::devdax-above-16g[ppc64-hash-mem]@01"] == "PASS"
    assert status["devdax.yaml::devdax-above-16g[ppc64-hash-mem]@02"] == "FAIL"
    assert status["devdax.yaml::devdax-map-mem[s390x]@01"] == "SKIP"
    assert len({test["id"] for test in data["tests"]}) == len(series.run.cells)
    assert {test["build_id"] for test in data["tests"]} == {build["id"] for build in data["builds"]}
    assert len(data["checkouts"]) == 5
    assert {build["architecture"] for build in data["builds"]} == {
        "arm64", "ppc64", "s390x", "x86_64",
    }  # fmt: skip


def test_kcidb_hashes_patches_as_its_schema_asks(series: Material) -> None:
    """sha256 over the newline-terminated sha256 of each patch that was applied, in order."""
    assert series.run.series is not None
    hashes = [patch.sha256 or "" for patch in series.run.series.patches]
    wanted = {
        hashlib.sha256("".join(f"{h}\n" for h in hashes[:n]).encode()).hexdigest()
        for n in (1, 2, 3, 4)
    } | {""}
    data = json.loads(FORMATS["kcidb"](series))
    assert {checkout["patchset_hash"] for checkout in data["checkouts"]} == wanted


def test_kcidb_misses_what_the_host_failed(hostile: Material) -> None:
    data = json.loads(FORMATS["kcidb"](hostile))
    assert V5_3.is_valid_exactly(data)
    assert [test["status"] for test in data["tests"][:3]] == ["FAIL", "MISS", "SKIP"]
    assert {checkout["patchset_hash"] for checkout in data["checkouts"]} == {""}


ANNOTATION = re.compile(
    r"::(error|warning|notice) file=([^:,]+),line=(\d+),title=([^:,]*(?:%3A|%2C|[^:,])*)::(.*)"
)


def test_github_annotates_each_finding_at_its_scenario(series: Material) -> None:
    crash, size = FORMATS["github"](series).splitlines()
    match = ANNOTATION.fullmatch(crash)
    assert match is not None
    level, file, line, title, message = match.groups()
    assert (level, file) == ("error", "scenarios/devdax.yaml")
    text = (Path(__file__).parents[2] / file).read_text().splitlines()
    assert text[int(line) - 1] == "scenario: devdax-above-16g"
    assert title == "regressed%3A devdax-above-16g on ppc64-hash"
    assert "patch 2/4" in message
    assert "%0A" in message
    assert ANNOTATION.fullmatch(size)


def test_github_takes_no_orders_from_a_guest(hostile: Material) -> None:
    lines = FORMATS["github"](hostile).splitlines()
    assert all(ANNOTATION.fullmatch(line) for line in lines)
    assert [line.split()[0] for line in lines] == ["::error", "::warning"]


def test_the_mail_says_what_where_and_why_in_72_columns(series: Material) -> None:
    text = FORMATS["text"](series)
    assert max(map(len, text.splitlines())) <= 72
    plain = " ".join(text.split())
    hash_cells = sum(cell.entry.target == "ppc64-hash" for cell in series.run.cells)
    for words in (
        "Patches 2 and 3 of 4 regress 9 cells",
        "debian:6.1 (6.1.192)",
        f"ppc64-hash {hash_cells} cells QEMU 10.0.11 TCG",
        'Regressed by patch 2/4 "mm/vmemmap: share struct pages on every architecture"',
        "| BUG: Unable to handle kernel data access on write at",
        "| Call Trace:",
        "expected: 2111832064 (2014M, 0x7de00000)",
        "ns.size: The device offers what the namespace holds less the data offset.",
    ):
        assert words in plain, words
    assert "Tested-by" not in text


def test_text_and_failure_name_the_revision_that_a_kernel_was_built_of(
    clean_run: Path, tmp_path: Path
) -> None:
    def change(document: dict[str, list[dict[str, object]]]) -> None:
        for cell in document["cells"]:
            cell["revision"] = "6.1.192-2"

    directory = Path(shutil.copytree(clean_run, tmp_path / "run"))
    edit(directory, change)
    material = gather([directory], None, Path())
    assert "debian:6.1 (6.1.192, revision 6.1.192-2)" in FORMATS["text"](material)
    assert "<span>debian:6.1 (6.1.192, revision 6.1.192-2)</span>" in FORMATS["html"](material)


def test_a_clean_run_is_tested_by(clean_run: Path) -> None:
    text = FORMATS["text"](gather([clean_run], None, Path()))
    assert text.endswith(
        "Tested-by: NAME <ADDRESS> # arm64, ppc64-hash, ppc64-radix, s390x, x86_64\n"
    )


def test_the_mail_of_hostile_text_is_harmless(hostile: Material) -> None:
    text = FORMATS["text"](hostile)
    assert text.isprintable() or all(c.isprintable() or c == "\n" for c in text)
    assert max(map(len, text.splitlines())) <= 72


def test_the_command_writes_and_prints(
    series_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in FORMATS:
        output = tmp_path / name
        assert main(["report", str(series_run), "--format", name, "-o", str(output)]) == 0
        assert capsys.readouterr().out == f"{output}\n"
        assert output.stat().st_size > 100
    assert main(["report", str(series_run), "--format", "github"]) == 0
    assert capsys.readouterr().out == (tmp_path / "github").read_text()


def test_a_report_that_cannot_be_written(
    series_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "no" / "such.xml"
    assert main(["report", str(series_run), "--format", "junit", "-o", str(output)]) == 4
    assert "cannot be written" in capsys.readouterr().err


def test_against_opens_the_text_with_the_difference(
    series_run: Path, clean_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(series_run), "--format", "text", "--against", str(clean_run)]) == 0
    assert f"Compared with the run in {clean_run}" in " ".join(capsys.readouterr().out.split())


def test_a_run_may_be_named_by_its_run_json(
    clean_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The last line of a run names that file."""
    run = Path(shutil.copytree(clean_run, tmp_path / "run"))
    file = str(run / "run.json")
    assert main(["report", file, "--format", "text", "--against", file]) == 0
    by_file = capsys.readouterr().out
    assert main(["report", str(run), "--format", "text", "--against", str(run)]) == 0
    assert capsys.readouterr().out == by_file
    assert main(["report", file]) == 0
    assert capsys.readouterr().out == f"{run / 'report.html'}\n"
    cell = next(path for path in run.iterdir() if path.is_dir())
    for part in (run / "report.html", cell, cell / "console.log"):
        assert main(["report", str(part)]) == 4
        said = capsys.readouterr().err
        assert said == f"daxhound: {part}: is a part of a run\n  try: {run}\n"


def test_the_command_names_every_format() -> None:
    assert tuple(FORMATS) == command.FORMATS


def test_the_mail_counts_all_lines_of_a_report_that_is_cut(
    series_run: Path, tmp_path: Path
) -> None:
    """Also those that no page shows, and says nothing of registers where there are none."""
    directory = Path(shutil.copytree(series_run, tmp_path / "run"))
    cells = json.loads((directory / "run.json").read_text())["cells"]
    number = next(n for n, one in enumerate(cells) if one["verdict"] == "kernel-failure")
    log = directory / cells[number]["folder"] / "console.log"
    log.write_text("Oops: so\n" + "and on\n" * 4999)
    place = {"first_line": 1, "last_line": 5000}
    edit(directory, lambda document: document["cells"][number].update(report_details=place))
    assert "\n| [5,000 lines in all]\n" in FORMATS["text"](gather([directory], None, Path()))
