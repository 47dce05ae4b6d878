"""Kconfig gates: what is predicted of each architecture and version, by commits that say so."""

from __future__ import annotations

import pytest

from harness.errors import UserError
from harness.gates import all_gates
from harness.kernel.assumed import assumed_facts
from harness.kernel.spec import parse_kernel_spec
from harness.model import Machine, Model
from harness.records import Layout
from harness.scenario.kconfig_step import Kconfig
from harness.target import load_targets

TARGETS = load_targets()
ASKED = ("pmem", "fsdax", "memory-failure")
SYMBOLS = tuple(dict.fromkeys(gate.symbol for gate in all_gates()))


def there(target: str, version: str, wished: tuple[str, ...] = ASKED) -> set[str]:
    """Symbols that are predicted to be set."""
    fragments = (*TARGETS[target].kernel.fragments, *wished)
    facts = assumed_facts(parse_kernel_spec(f"debian:{version}"), fragments)
    model = Model(Machine(TARGETS[target], facts, Layout(2 << 30, 2)))
    found = model.predict(Kconfig(symbols=SYMBOLS)).expected
    assert {expected.value for expected in found} <= {"y", "n"}
    return {expected.name for expected in found if expected.value == "y"}


@pytest.mark.parametrize(
    ("target", "version", "gates"),
    [
        ("x86_64", "6.1", {"ARCH_WANT_HUGETLB_PAGE_OPTIMIZE_VMEMMAP"}),
        ("x86_64", "6.5", {"ARCH_WANT_OPTIMIZE_VMEMMAP"}),
        (
            "x86_64",
            "6.12",
            {"ARCH_WANT_OPTIMIZE_HUGETLB_VMEMMAP", "ARCH_WANT_OPTIMIZE_DAX_VMEMMAP"},
        ),
        ("ppc64-radix", "6.1", set()),
        ("ppc64-radix-4k", "7.2", {"ARCH_WANT_OPTIMIZE_DAX_VMEMMAP"}),
        ("arm64-64k", "7.2", set()),
    ],
)
def test_who_wants_struct_pages_shared(target: str, version: str, gates: set[str]) -> None:
    assert {s for s in there(target, version) if s.startswith("ARCH_WANT_")} == gates


@pytest.mark.parametrize(("version", "possible"), [("6.1", False), ("6.12", False), ("7.2", True)])
def test_s390_has_device_memory_once_no_page_table_marks_it(version: str, possible: bool) -> None:
    assert ({"ZONE_DEVICE", "FS_DAX"} <= there("s390x", version)) is possible
    assert "MEMORY_FAILURE" not in there("s390x", version)
    assert ("ARCH_HAS_PTE_DEVMAP" in there("arm64", version)) is not possible


def test_what_nobody_asks_for_is_not_there() -> None:
    assert "ZONE_DEVICE" not in there("s390x", "7.2", ())


def test_without_radix_powerpc_shares_no_struct_pages() -> None:
    lost = there("ppc64-hash", "6.12") - there("ppc64-hash", "6.12", (*ASKED, "hash-only"))
    assert lost == {"ARCH_WANT_OPTIMIZE_DAX_VMEMMAP"}


def test_a_symbol_without_a_gate_is_the_users_error() -> None:
    facts = assumed_facts(parse_kernel_spec("debian:6.1"), TARGETS["s390x"].kernel.fragments)
    with pytest.raises(UserError, match="ZONE_DEVICE"):
        Model(Machine(TARGETS["s390x"], facts, Layout(1 << 30, 1))).predict(
            Kconfig(symbols=("ZONE_DEVISE",))
        )
