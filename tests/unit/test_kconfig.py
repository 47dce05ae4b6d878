"""Fragments: what they may say, where they disagree, and whether a .config grants them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import UserError
from harness.kconfig import Request, merge, missing, parse_dotconfig, parse_fragment, render

HERE = Path("mm.config")
FRAGMENTS = Path(__file__).resolve().parents[2] / "kconfigs"

DOTCONFIG = """\
#
# Automatically generated file; DO NOT EDIT.
#
CONFIG_CC_VERSION_TEXT="gcc \\"quoted\\""
CONFIG_NR_CPUS=8
CONFIG_PHYSICAL_START=0x1000000
CONFIG_MEMCG=y
CONFIG_LOCALVERSION=""
# CONFIG_KFENCE is not set
"""

NAMES = st.from_regex(r"[A-Z][A-Z0-9_]{0,12}", fullmatch=True)
TEXT = st.text(st.characters(codec="ascii", categories=["L", "N", "P", "Zs"]))
QUOTED = TEXT.map(lambda word: '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"')
VALUES = st.sampled_from(["y", "n", "m"]) | st.integers().map(str) | QUOTED


def requests(text: str, path: Path = HERE) -> tuple[Request, ...]:
    return parse_fragment(text, path)


def test_a_fragment_is_settings_and_comments() -> None:
    text = '# why\nCONFIG_MEMCG=y\n\nCONFIG_NR_CPUS=8\n# CONFIG_KFENCE is not set\nCONFIG_A="b"\n'
    assert [(r.symbol, r.value, r.line) for r in requests(text)] == [
        ("MEMCG", "y", 2),
        ("NR_CPUS", "8", 4),
        ("KFENCE", "n", 5),
        ("A", "b", 6),
    ]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("MEMCG=y", "not a setting"),
        ("CONFIG_MEMCG", "not a setting"),
        ("CONFIG_MEMCG = y", "not a setting"),
        ("CONFIG_MEMCG=yes", "cannot have the value"),
        ("CONFIG_MEMCG=y # why", "cannot have the value"),
        ('CONFIG_A="open', "cannot have the value"),
        ("CONFIG_MEMCG=", "cannot have the value"),
    ],
)
def test_anything_else_is_refused_with_file_and_line(line: str, said: str) -> None:
    with pytest.raises(UserError, match=said) as caught:
        requests(f"CONFIG_SMP=y\n{line}\n")
    assert (caught.value.path, caught.value.line) == (HERE, 2)
    assert caught.value.hint


def test_asking_twice_for_the_same_is_one_request() -> None:
    both = requests("CONFIG_PCI=y\nCONFIG_SMP=y\n") + requests("CONFIG_PCI=y\n", Path("b.config"))
    assert [request.symbol for request in merge(both)] == ["PCI", "SMP"]


def test_two_fragments_that_disagree_are_both_named() -> None:
    first = requests("CONFIG_SMP=y\nCONFIG_KFENCE=y\n", Path("a.config"))
    second = requests("# CONFIG_KFENCE is not set\n", Path("b.config"))
    with pytest.raises(UserError) as caught:
        merge(first + second)
    assert "b.config:1" in str(caught.value)
    assert "a.config:2" in str(caught.value)
    assert "CONFIG_KFENCE=n disagrees with CONFIG_KFENCE=y" in str(caught.value)


TAKES_BACK = "# replaces CONFIG_KFENCE=y\n# CONFIG_KFENCE is not set\n"


def test_what_another_fragment_asks_for_can_be_taken_back_in_either_order() -> None:
    asked, taken = requests("CONFIG_KFENCE=y\n"), requests(TAKES_BACK, Path("b.config"))
    for both in (asked + taken, taken + asked, asked + taken + asked, taken):
        assert [request.setting for request in merge(both)] == ["# CONFIG_KFENCE is not set"]


def test_only_what_is_named_is_taken_back() -> None:
    with pytest.raises(UserError, match="# replaces CONFIG_KFENCE=m"):
        merge(requests("CONFIG_KFENCE=m\n") + requests(TAKES_BACK, Path("b.config")))


@pytest.mark.parametrize("below", ["", "CONFIG_KASAN=y", "# why"])
def test_what_takes_the_place_stands_below(below: str) -> None:
    with pytest.raises(UserError, match="must stand here") as caught:
        requests(f"# replaces CONFIG_KFENCE=y\n{below}\n# CONFIG_KFENCE is not set\n")
    assert caught.value.line == 2


def test_a_dotconfig_is_values_without_quotes_and_without_unset_symbols() -> None:
    assert parse_dotconfig(DOTCONFIG) == {
        "CC_VERSION_TEXT": 'gcc "quoted"',
        "NR_CPUS": "8",
        "PHYSICAL_START": "0x1000000",
        "MEMCG": "y",
        "LOCALVERSION": "",
    }


@pytest.mark.parametrize(
    ("asked", "refused"),
    [
        ("CONFIG_MEMCG=y", False),
        ("CONFIG_MEMCG=n", True),
        ("CONFIG_MEMCG=m", True),
        ("CONFIG_KFENCE=n", False),
        ("CONFIG_NEVER_HEARD_OF=n", False),
        ("CONFIG_KFENCE=y", True),
        ("CONFIG_NEVER_HEARD_OF=y", True),
        ("CONFIG_NR_CPUS=8", False),
        ("CONFIG_NR_CPUS=16", True),
        ('CONFIG_CC_VERSION_TEXT="gcc \\"quoted\\""', False),
    ],
)
def test_missing_is_what_the_dotconfig_does_not_grant(asked: str, refused: bool) -> None:
    found = missing(requests(asked), parse_dotconfig(DOTCONFIG))
    assert bool(found) is refused


@given(st.dictionaries(NAMES, VALUES))
def test_a_rendered_merge_reads_back_and_grants_itself(settings: dict[str, str]) -> None:
    asked = tuple(Request(name, text, HERE, 1) for name, text in settings.items())
    text = render(merge(asked))
    assert {r.symbol: r.value for r in requests(text)} == {r.symbol: r.value for r in asked}
    assert missing(asked, parse_dotconfig(text)) == ()


@pytest.mark.parametrize("path", sorted(FRAGMENTS.glob("*.config")), ids=lambda path: path.stem)
def test_every_shipped_fragment_is_one_and_says_nothing_twice(path: Path) -> None:
    found = parse_fragment(path.read_text(), path)
    assert found
    assert len(merge(found)) == len(found)


def test_what_only_some_kernels_have_need_not_take() -> None:
    text = "# where the kernel has it\nCONFIG_NEW=y\nCONFIG_OLD=y\n"
    requests = parse_fragment(text, Path("x.config"))
    assert [request.optional for request in requests] == [True, False]
    assert [request.symbol for request in missing(requests, {})] == ["OLD"]
    assert "CONFIG_NEW=y" in render(requests)
