"""Layouts that the model calls a kernel defect: what a released kernel does with them.

arm64 takes struct pages of whole sections from the altmap by the PMD and those of a part
of one by the page; the altmap is sized for all of them, but not for what aligning the first
PMD costs. The end of the namespace then finds nothing left, and memunmap_pages warns.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.campaign.provide import Provider
from harness.errors import KernelReported
from harness.guest.boot import boot
from harness.guest.steps import StepContext, prepare_regions, run_step
from harness.model import Machine, Model
from harness.records import Layout, PmemDevice
from harness.scenario.steps import CreateNamespace
from harness.target import load_targets
from tests.support.guests import boot_request

pytestmark = pytest.mark.guest

MIB, GIB = 1 << 20, 1 << 30
TARGET = load_targets()["arm64"]
DEVICE = PmemDevice(GIB, 4 * GIB, 128 << 10, "0a6ab1cc-4d51-4a13-8d3b-0f8b2f2f1d51")
LAYOUT = Layout(2 * GIB, 2, (DEVICE,))


def namespace(size: int) -> CreateNamespace:
    return CreateNamespace(mode="devdax", map="dev", align=2 * MIB, size=size)


def test_an_altmap_without_room_for_a_part_of_a_section(provider: Provider, tmp_path: Path) -> None:
    provisions = provider.provide(TARGET)
    model = Model(Machine(TARGET, provisions.kernel.facts, LAYOUT))
    whole, part = namespace(256 * MIB), namespace(208 * MIB)
    assert model.predict(whole).unsupported is None
    assert "vmemmap.altmap-exhausted" in str(model.predict(part).unsupported)
    request = boot_request(provider, TARGET, LAYOUT, tmp_path)
    context = StepContext(TARGET, TARGET.mmu.page_size, 60.0)
    with boot(request) as guest:
        prepare_regions(guest.shell, context)
        made = run_step(whole, guest.shell, context)
        assert made.values["outcome"] == "created"
        with pytest.raises(KernelReported) as caught:
            run_step(part, guest.shell, context)
    assert "failed to free all reserved pages" in caught.value.reports[0].title
