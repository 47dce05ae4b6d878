"""A patched kernel is held to its base: patches bring things, and take nothing away unseen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.kernel.assumed import assumed_facts
from harness.kernel.held import hold_to_base
from harness.kernel.probes import PROBES
from harness.kernel.spec import DebianSpec
from harness.model import Machine, Model
from harness.records import KernelFacts, Prediction
from harness.scenario.expand import expand
from harness.scenario.find import all_scenarios
from harness.target import load_targets

GATE = "vmemmap_optimize_checks_radix"


def facts(
    *config: str, size: int = 64, probes: Mapping[str, bool | int] = MappingProxyType({})
) -> KernelFacts:
    return KernelFacts((6, 1, 192), "6.1.192", dict.fromkeys(config, "y"), size, probes)


@given(
    st.dictionaries(st.sampled_from(sorted(PROBES)), st.booleans()),
    st.dictionaries(st.sampled_from(sorted(PROBES)), st.booleans()),
)
def test_the_better_answer_counts_and_what_is_gone_is_named(
    own: dict[str, bool], base: dict[str, bool]
) -> None:
    held = hold_to_base(facts(probes=own), facts(probes=base))
    for name in PROBES:
        answers = [answers[name] for answers in (own, base) if name in answers]
        assert held.probes.get(name) == (any(answers) if answers else None)
        gone = base.get(name, False) and not own.get(name, False)
        assert any(one.startswith(f"{name}: ") for one in held.lost) == gone


def test_a_kernel_equal_to_its_base_stays_as_it_is() -> None:
    same = facts("MEMCG", probes={GATE: True, "PAGE_SHIFT": 16})
    assert hold_to_base(same, same) == same


def test_the_loss_is_told_in_the_words_of_the_question() -> None:
    held = hold_to_base(facts(probes={GATE: False}), facts(probes={GATE: True}))
    assert held.lost == (
        f"{GATE}: the vmemmap optimisation asks the architecture first (87a7ae75d738; 6.4)",
    )


def test_constants_are_the_kernels_own() -> None:
    held = hold_to_base(*(facts(probes={"SECTION_SIZE_BITS": bits}) for bits in (28, 24)))
    assert held.probes == {"SECTION_SIZE_BITS": 28}


def test_a_feature_that_is_switched_off_is_expected_all_the_same() -> None:
    held = hold_to_base(facts("NUMA"), facts("NUMA", "HUGETLBFS"))
    assert held.has("HUGETLBFS")
    assert held.lost == ("CONFIG_HUGETLBFS",)


@pytest.mark.parametrize(
    ("own", "base", "held"), [(72, 64, 64), (56, 56, 56), (64, 56, 64), (32, 64, 32)]
)
def test_struct_pages_that_could_be_shared_must_be(own: int, base: int, held: int) -> None:
    found = hold_to_base(facts(size=own), facts(size=base))
    assert found.struct_page_bytes == held
    assert bool(found.lost) == (held != own)


@pytest.mark.parametrize("target", ["ppc64-hash", "ppc64-radix", "x86_64"])
def test_the_ungated_optimisation_changes_no_prediction(target: str) -> None:
    """series/hash-vmemmap.patch: alone, the model would share struct pages on every MMU."""
    known = load_targets()[target]
    base = assumed_facts(DebianSpec("6.1"), known.kernel.fragments)
    base = replace(base, probes={GATE: True})
    own = replace(base, probes={GATE: False})
    expected = _predictions(target, base)
    assert _predictions(target, hold_to_base(own, base)) == expected
    if target != "x86_64":
        assert _predictions(target, own) != expected


def _predictions(target: str, kernel: KernelFacts) -> list[Prediction]:
    known = load_targets()[target]
    return [
        model.predict(step)
        for scenario in all_scenarios()
        if scenario.name.startswith("devdax-")
        for cell in expand(scenario, {target: known})
        for model in [Model(Machine(known, kernel, cell.layout))]
        if model.unsupported(cell.steps) is None
        for step in cell.steps
    ]
