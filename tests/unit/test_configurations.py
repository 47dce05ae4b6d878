"""The named configurations that are shipped: what they make of each target's kernel."""

from __future__ import annotations

import pytest

from harness.errors import UserError
from harness.kernel.assumed import assumed_facts
from harness.kernel.fragments import check_needs, load_fragments, select_fragments
from harness.kernel.spec import parse_kernel_spec
from harness.model import Machine, Model
from harness.model.vmemmap import why_never_optimised
from harness.records import KernelFacts, Layout, PmemDevice, Scalar
from harness.scenario.steps import CreateNamespace, Step
from harness.target import load_targets

TARGETS = load_targets()
GIB = 1 << 30


def facts(target: str, *config: str) -> KernelFacts:
    fragments = (*TARGETS[target].kernel.fragments, *config)
    return assumed_facts(parse_kernel_spec("debian:6.1"), fragments)


def machine(target: str, *config: str) -> Machine:
    devices = (PmemDevice(2 * GIB, 4 * GIB, 128 << 10, "u"),)
    return Machine(TARGETS[target], facts(target, *config), Layout(2 * GIB, 2, devices))


def values(machine: Machine, step: Step) -> dict[str, Scalar]:
    return {item.name: item.value for item in Model(machine).predict(step).expected}


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("config", ["debug", "kasan", "no-thp", "no-memcg"])
def test_every_target_can_be_configured_so(target: str, config: str) -> None:
    check_needs(load_fragments((*TARGETS[target].kernel.fragments, config)), TARGETS[target])


@pytest.mark.parametrize(("config", "lost"), [("hash-only", "radix"), ("radix-only", "hash")])
def test_a_guest_of_the_other_mmu_is_another_target(config: str, lost: str) -> None:
    for target in TARGETS.values():
        requests = load_fragments((*target.kernel.fragments, config))
        if target.mmu.kind != lost:
            check_needs(requests, target)
            continue
        with pytest.raises(UserError, match=f"is no {target.name}"):
            check_needs(requests, target)


@pytest.mark.parametrize(
    ("target", "size"), [("ppc64-hash", 56), ("ppc64-radix-4k", 56), ("arm64", 64), ("x86_64", 64)]
)
def test_without_control_groups_struct_page_is_smaller_on_powerpc(target: str, size: int) -> None:
    without = machine(target, "no-memcg")
    assert without.kernel.struct_page_bytes == size
    assert (why_never_optimised(without) is None) is (size == 64)
    assert why_never_optimised(machine(target)) is None


def test_without_huge_pages_there_is_no_device_dax() -> None:
    without = machine("x86_64", "no-thp")
    assert without.supported_alignments == (4096,)
    lacking = Model(without).predict(CreateNamespace(mode="devdax")).unsupported
    assert lacking == "the kernel is built without CONFIG_DEV_DAX and CONFIG_DEV_DAX_PMEM"
    assert values(without, CreateNamespace(mode="fsdax"))["align_bytes"] == 4096


def test_names_come_with_commas_between_or_singly() -> None:
    assert select_fragments(["no-memcg,debug", "debug", ""]) == ("no-memcg", "debug")
    with pytest.raises(UserError, match="hash-only"):
        select_fragments(["hash-onyl"])
