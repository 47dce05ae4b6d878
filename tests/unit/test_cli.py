"""The daxhound command: exit codes, and messages that say what would work."""

from __future__ import annotations

import json

import pytest

from harness.cli import main
from harness.target import load_targets, select_targets


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["frobnicate"], ["invalid choice", "daxhound --help"]),
        (["qemu", "all"], ["several targets", "arm64"]),
        (["qemu", "ppc64"], ["no such target: 'ppc64'", "ppc64-hash"]),
        (["qemu", "s390x", "--scenario", "devdax-above-16g"], ["does not run on s390x"]),
        (["qemu", "s390x", "--kernel", "6.1"], ["debian:6.1"]),
        (["predict", "devdx-map-mem"], ["try: 'devdax-map-mem'"]),
        (["predict"], ["required: scenario"]),
        (
            ["build", "ppc64-hash"],
            ["arguments: ppc64-hash", "try: daxhound build --arch ppc"],
        ),
        (["build", "--kernle=7.3"], ["arguments: --kernle=7.3", "try: daxhound build --kernel"]),
        (["qemu", "s390x", "x86_64"], ["arguments: x86_64", "try: daxhound qemu --help"]),
        (["--jsn", "targets"], ["arguments: --jsn", "try: daxhound --help"]),
    ],
)
def test_bad_input_exits_with_4_and_a_remedy(
    arguments: list[str], words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 4
    said = capsys.readouterr()
    assert said.out == ""
    assert all(word in said.err for word in words)
    assert "Traceback" not in said.err


def test_targets_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["targets"]) == 0
    names = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert names[:5] == ["arm64", "ppc64-hash", "ppc64-radix", "s390x", "x86_64"]
    assert set(names[5:]) == {
        target.name for target in select_targets(["variants"], load_targets())
    }


def test_predict_names_rule_and_source(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", "devdax-map-mem", "--arch", "ppc64-hash", "--explain"]) == 0
    said = capsys.readouterr().out
    assert "region0.supported_alignments = 65536 16777216  [align.supported]" in said
    assert "pfn_devs.c nd_pfn_init" in said


def test_predict_as_json_is_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", "devdax-map-mem", "--arch", "s390x,x86_64", "--json"]) == 0
    cells = json.loads(capsys.readouterr().out)
    assert [cell["unsupported"] is not None for cell in cells] == [True, False, False]


def test_kernels_differ_where_the_model_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    """Radix maps PUDs from 6.6 on: the same cell is refused before, and created after."""
    outcomes = []
    for kernel in ("debian:6.1", "debian:6.12"):
        arguments = ["devdax-pud", "--arch", "ppc64-radix", "--kernel", kernel, "--json"]
        assert main(["predict", *arguments]) == 0
        step = json.loads(capsys.readouterr().out)[0]["steps"][0]
        values = {item["name"]: item["value"] for item in step["expected"]}
        outcomes.append(values["outcome"])
    assert outcomes == ["refused", "created"]
