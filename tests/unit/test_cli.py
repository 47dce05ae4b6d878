"""The daxhound command: exit codes, and messages that say what would work."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.cli import main
from harness.commands.named import named_scenario
from harness.errors import UserError
from harness.scenario.find import choose_scenarios
from harness.target import load_targets, select_targets


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["frobnicate"], ["invalid choice", "daxhound --help"]),
        (["predct"], ["invalid choice", "try: daxhound predict\n"]),
        (["path"], ["required: folder", "try: daxhound path kconfigs, daxhound path qemu, "]),
        (["path", "scenarois"], ["invalid choice", "try: daxhound path scenarios\n"]),
        (["qemu", "all"], ["several targets", "arm64"]),
        (["qemu", "ppc64"], ["no such target: 'ppc64'", "ppc64-hash"]),
        (["qemu", "s390x", "--scenario", "devdax-above-16g"], ["does not run on s390x"]),
        (["qemu", "s390x", "--kernel", "6.1"], ["debian:6.1"]),
        (
            ["predict", "devdx-map-mem"],
            [
                "'devdx-map-mem'\n  try: devdax-map-mem or devdax-map-",
                "; daxhound scenarios lists all",
            ],
        ),
        (["predict", "zzz"], ["no such scenario: 'zzz'\n  try: daxhound scenarios lists all\n"]),
        (["predict", "my/odd.yaml"], ["my/odd.yaml: cannot be read: No such file"]),
        (["predict", "~nobody9/odd.yaml"], ["~nobody9/odd.yaml: cannot be read: No such file"]),
        (
            ["build", "--arch", "s390x", "--series", "git:~nobody9/linux@a..b"],
            ["git:~nobody9/linux@a..b: no such directory: "],
        ),
        (["predict", "gup-anon", "--kernel", "dir:~nobody9"], ["is no Linux source tree"]),
        (["plan", "--scenario", "my/odd.yaml"], ["my/odd.yaml: cannot be read: No such file"]),
        (
            ["predict", "devdax-pud", "--arch", "ppc64-hash"],
            ["devdax-pud does not run on ppc64-hash\n  try: ", "x86_64"],
        ),
        (
            ["qemu", "s390x", "--scenario", "devdax-map-*"],
            ["devdax-map-* is 2 scenarios: devdax-map-mem, devdax-map-dev\n  try: devdax-map-mem"],
        ),
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


OWN = """\
scenario: one
summary: a size of its own
steps:
  - features:
---
scenario: two
summary: another
layout:
  pmem: [{size: 3G}]
steps:
  - regions:
"""


def test_a_file_of_ones_own_is_predicted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "odd.yaml"
    path.write_text(OWN)
    for word, ids in ((path, ["one", "two"]), (f"{path}::two", ["two"])):
        assert main(["predict", str(word), "--arch", "x86_64", "--json"]) == 0
        cells = json.loads(capsys.readouterr().out)
        assert [cell["id"] for cell in cells] == [f"odd.yaml::{name}[x86_64]" for name in ids]
    assert named_scenario(f"{path}::two", load_targets()).name == "two"
    with pytest.raises(UserError) as caught:
        named_scenario(str(path), load_targets())
    assert str(caught.value) == f"{path} is 2 scenarios: one, two\n  try: {path}::one"
    with pytest.raises(UserError, match=r"odd\.yaml: no such scenario: 'tow'\n  try: 'two'"):
        named_scenario(f"{path}::tow", load_targets())
    path.write_text(OWN.replace("layout:", "config: [no-memgc]\nlayout:"))
    assert main(["predict", str(path)]) == 4
    assert "odd.yaml:8: config.0: no such configuration fragment" in capsys.readouterr().err


def test_a_pattern_is_every_scenario_that_has_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", "devdax-map-*", "--arch", "s390x", "--json"]) == 0
    cells = json.loads(capsys.readouterr().out)
    assert [cell["id"] for cell in cells] == [
        f"devdax.yaml::devdax-map-{where}[s390x]" for where in ("mem", "dev")
    ]
    assert [s.name for s in choose_scenarios(["devdax-map-*", "devdax-map-mem"])] == [
        "devdax-map-mem",
        "devdax-map-dev",
    ]


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
