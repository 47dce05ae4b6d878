"""Commands about what there is: scenarios, targets, builds, help, completion."""

from __future__ import annotations

import argparse
import io
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from harness.campaign.ahead import build_ahead, positions
from harness.campaign.provide import Needs, Provider
from harness.cli import build_parser, main
from harness.commands.named import choose_cells
from harness.errors import KernelFailure, UserError
from harness.series.load import load_series
from harness.target import load_targets


def subcommands() -> Iterator[tuple[str, argparse.ArgumentParser]]:
    for action in build_parser()._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield from action.choices.items()


def examples() -> Iterator[str]:
    for _, command in subcommands():
        assert command.epilog is not None
        yield from (line.strip() for line in command.epilog.splitlines()[1:])


def test_every_command_has_examples_and_a_summary() -> None:
    for name, command in subcommands():
        assert any(line.startswith(f"daxhound {name}") for line in examples()), name
        assert command.description


def test_every_option_says_what_it_does() -> None:
    options = [(name, option) for name, command in subcommands() for option in command._actions]
    assert [f"{name} {option.dest}" for name, option in options if not option.help] == []


@pytest.mark.parametrize("example", list(examples()))
def test_examples_are_what_the_parser_takes(example: str) -> None:
    words = shlex.split(example.partition(">")[0].partition("|")[0])
    build_parser().parse_args(words[1:])


def test_help_documents_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    said = capsys.readouterr().out
    assert all(f"\n  {code:<4} " in said for code in ("0", "1", "3", "4", "130"))


def test_a_shell_without_a_terminal_is_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """QEMU reads no end of input there, and waits for ever."""
    monkeypatch.setattr(sys, "stdin", io.StringIO("echo x\n"))
    assert main(["shell", "x86_64"]) == 4
    said = capsys.readouterr().err
    assert "shell is for a person at a terminal, and its input is none" in said
    assert "daxhound qemu x86_64" in said


def test_the_help_of_shell_says_how_to_leave(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["shell", "--help"])
    assert "Ctrl-A x ends it" in " ".join(capsys.readouterr().out.split())


def test_scenarios_lists_what_pytest_would_collect(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scenarios", "--arch", "s390x,ppc64-hash", "--json"]) == 0
    entries = json.loads(capsys.readouterr().out)
    assert sum(entry["cells"] for entry in entries) == len(choose_cells(["s390x,ppc64-hash"], None))
    (entry,) = (entry for entry in entries if entry["name"] == "devdax-map-mem")
    assert entry["parameters"] == {"align": ["page", "pmd"]}
    assert set(entry["targets"]) == {"s390x", "ppc64-hash"}
    assert Path(entry["file"]).is_file()


def test_scenarios_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scenarios"]) == 0
    said = capsys.readouterr().out
    assert "scenarios/devdax.yaml\n" in said
    assert "align page, pmd" in said


def test_core_stands_for_the_scenarios_that_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["scenarios", "--arch", "s390x", "--json"]) == 0
    entries = json.loads(capsys.readouterr().out)
    core = [entry for entry in entries if entry["core"]]
    assert 0 < len(core) < len(entries)
    cells = choose_cells(["s390x"], ["core"])
    assert len(cells) == sum(entry["cells"] for entry in core)
    # What is named beside it comes once.
    assert choose_cells(["s390x"], ["core", core[0]["name"]]) == cells
    with pytest.raises(UserError, match="no such scenario: 'cores'"):
        choose_cells(["s390x"], ["cores"])


def test_targets_as_json_are_whole(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["targets", "--json"]) == 0
    told = {entry["name"]: entry for entry in json.loads(capsys.readouterr().out)}
    assert set(told) == set(load_targets())
    assert told["ppc64-hash"]["mmu"]["pmd_size"] == 16 << 20


@dataclass
class Kernels:
    """In a provider's place: kernels that are said to be built, all but one."""

    broken: str

    def provide(self, needs: Needs) -> Any:
        assert (needs.config, needs.programs) == ((), ())
        if needs.target.name == self.broken:
            raise KernelFailure("mm/memremap.c:1: error")
        release = f"6.1-{needs.target.name}-{len(needs.patches)}"
        return SimpleNamespace(kernel=SimpleNamespace(release=release, image=Path("vmlinux")))


def test_build_goes_on_after_a_kernel_that_does_not_build(root: Path) -> None:
    cells = choose_cells(["ppc64-hash,ppc64-radix"], ["devdax-map-mem"])
    series = load_series(str(root / "series/hash-vmemmap.patch"))
    builds = list(build_ahead(cast(Provider, Kernels("ppc64-hash")), cells, series))
    assert [(build.target, build.patches, build.release) for build in builds] == [
        ("ppc64-hash", 0, None),
        ("ppc64-radix", 0, "6.1-ppc64-radix-0"),
        ("ppc64-hash", 1, None),
        ("ppc64-radix", 1, "6.1-ppc64-radix-1"),
    ]
    assert builds[0].failure == "mm/memremap.c:1: error"
    assert positions(series, per_patch=True) == (0, 1)
    assert positions(None, per_patch=True) == (0,)


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("daxhound pre", {"predict "}),
        ("daxhound predict devdax-map", {"devdax-map-mem", "devdax-map-dev"}),
        ("daxhound predict x --arch ppc64-hash,s3", {"ppc64-hash,s390x "}),
        ("daxhound predict x --arch all,var", {"all,variants "}),
        ("daxhound predict x --config no-thp,hash-o", {"no-thp,hash-only "}),
        ("daxhound report --format k", {"ktap", "kcidb"}),
    ],
)
def test_shells_are_offered_words(typed: str, offered: set[str], tmp_path: Path) -> None:
    """What argcomplete's shell function does, without the shell."""
    answer = tmp_path / "answer"
    environment = {
        **os.environ,
        "_ARGCOMPLETE": "1",
        "_ARGCOMPLETE_STDOUT_FILENAME": str(answer),
        "_ARGCOMPLETE_IFS": "\n",
        "COMP_LINE": typed,
        "COMP_POINT": str(len(typed)),
        "COMP_TYPE": "9",
    }
    subprocess.run([sys.executable, "-m", "harness.cli"], env=environment, check=True)
    assert set(answer.read_text().split("\n")) == offered


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_printed(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    assert "_ARGCOMPLETE" in capsys.readouterr().out
