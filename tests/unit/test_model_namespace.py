"""create-namespace, destroy-namespaces and regions: what each must show, step after step."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from harness.errors import UserError
from harness.model import Machine, Model
from harness.records import KernelFacts, Layout, PmemDevice, Prediction, Scalar
from harness.scenario.steps import CreateNamespace, DestroyNamespaces, Mode, Regions
from harness.target import load_targets

TARGETS = load_targets()
MIB, GIB = 1 << 20, 1 << 30

SYMBOLS = (
    "ACPI_NFIT PAPR_SCM LIBNVDIMM BLK_DEV_PMEM BTT ZONE_DEVICE NVDIMM_PFN NVDIMM_DAX DEV_DAX "
    "DEV_DAX_PMEM TRANSPARENT_HUGEPAGE"
)


def machine(
    target: str = "x86_64",
    *sizes: int,
    version: tuple[int, int, int] = (6, 1, 192),
    start: int = 4 * GIB,
    without: str = "",
    struct_page: int = 64,
    **config: str,
) -> Machine:
    symbols = dict.fromkeys(set(SYMBOLS.split()) - {without}, "y")
    release = ".".join(map(str, version))
    kernel = KernelFacts(version, release, {**symbols, **config}, struct_page)
    devices = []
    for index, size in enumerate(sizes):
        devices.append(PmemDevice(size, start, 128 << 10, str(UUID(int=index))))
        start += size
    pmem = tuple(devices) if TARGETS[target].pmem else ()
    return Machine(TARGETS[target], kernel, Layout(2 * GIB, 2, pmem))


def values(prediction: Prediction) -> dict[str, Scalar]:
    return {expected.name: expected.value for expected in prediction.expected}


def create(guest: Machine, **fields: Any) -> dict[str, Scalar]:
    return values(Model(guest).predict(CreateNamespace(**fields)))


def test_regions_lie_by_address_whatever_the_order_of_devices() -> None:
    guest = machine("x86_64", GIB, 2 * GIB)
    shuffled = replace(guest, layout=replace(guest.layout, pmem=guest.layout.pmem[::-1]))
    seen = values(Model(shuffled).predict(Regions()))
    assert seen["regions"] == 2
    assert (seen["region0.start"], seen["region0.size_bytes"]) == (4 * GIB, GIB)
    assert (seen["region1.start"], seen["region1.size_bytes"]) == (5 * GIB, 2 * GIB)


@pytest.mark.parametrize(
    ("target", "version", "alignments"),
    [
        ("x86_64", (6, 1, 192), "4096 2097152 1073741824"),
        ("x86_64", (7, 2, 13), "4096 2097152 1073741824"),
        ("arm64", (7, 2, 13), "4096 2097152"),
        ("ppc64-hash", (6, 1, 192), "65536 16777216"),
        ("ppc64-hash", (7, 2, 13), "65536 16777216"),
        ("ppc64-radix", (6, 1, 192), "65536 2097152"),
        ("ppc64-radix", (7, 2, 13), "65536 2097152 1073741824"),
    ],
)
def test_supported_alignments(target: str, version: tuple[int, int, int], alignments: str) -> None:
    seen = values(Model(machine(target, GIB, version=version)).predict(Regions()))
    assert seen["region0.supported_alignments"] == alignments


def test_a_region_of_papr_scm_is_known_by_the_end_of_its_devices_uuid() -> None:
    guest = machine("ppc64-hash", GIB)
    (device,) = guest.layout.pmem
    device = replace(device, uuid="72511b67-0b3b-42fd-8d1d-5be3cae8bcaa")
    guest = replace(guest, layout=replace(guest.layout, pmem=(device,)))
    # The example of papr_scm_probe().
    assert values(Model(guest).predict(Regions()))["region0.set_cookie"] == 0xAABCE8CAE35B1D8D


def test_hash_without_16m_pages_has_base_pages_only() -> None:
    guest = machine("ppc64-hash", GIB)
    mmu = guest.target.mmu.model_copy(update={"linear_page": None})
    plain = replace(guest, target=guest.target.model_copy(update={"mmu": mmu}))
    assert plain.supported_alignments == (65536,)
    assert plain.memremap_compat_align == 2 * MIB


def test_a_probe_of_the_source_wins_over_the_version() -> None:
    guest = machine("ppc64-radix", GIB)
    kernel = replace(guest.kernel, probes={"radix_pud_thp": True})
    assert replace(guest, kernel=kernel).supported_alignments[-1] == GIB


@pytest.mark.parametrize(
    ("target", "map_", "size"),
    [
        ("ppc64-radix", "mem", 2046 * MIB),
        ("ppc64-hash", "mem", 2032 * MIB),
        ("arm64", "mem", 2046 * MIB),
        ("x86_64", "dev", 2014 * MIB),
    ],
)
def test_a_2g_device_offers_what_guests_were_seen_to_offer(
    target: str, map_: str, size: int
) -> None:
    for mode in ("devdax", "fsdax"):
        seen = create(machine(target, 2 * GIB), mode=mode, map=map_)
        assert seen["outcome"] == "created"
        assert seen["size_bytes"] == seen["device_bytes"] == size
        assert seen["align_bytes"] == TARGETS[target].mmu.pmd_size
        assert seen["data_offset"] == 2 * GIB - size
        assert seen["resource"] == 4 * GIB + 2 * GIB - size


def test_struct_pages_live_on_the_device_by_default() -> None:
    guest = machine("x86_64", GIB)
    assert create(guest, mode="devdax") == create(guest, mode="devdax", map="dev")
    assert create(guest, mode="devdax")["map"] == "dev"


def test_only_devdax_has_a_character_device() -> None:
    guest = machine("x86_64", GIB)
    assert create(guest, mode="devdax")["device"] == "chardev"
    assert create(guest, mode="fsdax")["device"] == "blockdev"


def test_raw_and_sector_have_no_info_block() -> None:
    raw = create(machine("x86_64", GIB), mode="raw")
    assert raw["size_bytes"] == raw["device_bytes"] == GIB
    assert raw["device"] == "blockdev"
    assert not raw.keys() & {"map", "align_bytes", "resource", "data_offset", "sector_size"}
    sector = create(machine("x86_64", GIB), mode="sector")
    assert (sector["size_bytes"], sector["sector_size"]) == (1071616000, 4096)
    assert create(machine("x86_64", GIB), mode="sector", sector_size=512)["sector_size"] == 512


def test_namespaces_share_a_region_and_give_it_back() -> None:
    model = Model(machine("x86_64", GIB))
    first = values(model.predict(CreateNamespace(mode="devdax", map="mem", size=256 * MIB)))
    second = values(model.predict(CreateNamespace(mode="devdax", map="mem")))
    assert (first["resource"], first["size_bytes"]) == (4 * GIB + 2 * MIB, 254 * MIB)
    assert second["resource"] == 4 * GIB + 258 * MIB
    assert second["size_bytes"] == 766 * MIB
    full = values(model.predict(CreateNamespace(mode="raw")))
    assert (full["outcome"], full["errno"]) == ("refused", "ENOSPC")
    assert values(model.predict(Regions()))["region0.available_bytes"] == 0
    freed = values(model.predict(DestroyNamespaces()))
    assert (freed["outcome"], freed["namespaces_left"]) == ("destroyed", 0)
    assert freed["available_bytes"] == GIB
    assert values(model.predict(CreateNamespace(mode="raw")))["size_bytes"] == GIB


def test_a_refused_namespace_takes_no_space() -> None:
    model = Model(machine("x86_64", GIB))
    assert values(model.predict(CreateNamespace(mode="devdax", align=GIB)))["outcome"] == "refused"
    assert values(model.predict(Regions()))["region0.available_bytes"] == GIB


def test_space_comes_in_units_of_16m() -> None:
    guest = machine("x86_64", 1022 * MIB)
    regions = values(Model(guest).predict(Regions()))
    assert regions["region0.size_bytes"] == 1022 * MIB
    assert regions["region0.available_bytes"] == 1008 * MIB
    assert create(guest, mode="raw")["size_bytes"] == 1008 * MIB
    assert create(guest, mode="raw", size=1022 * MIB)["errno"] == "ENOSPC"


@pytest.mark.parametrize(
    ("fields", "errno", "message"),
    [
        ({"mode": "devdax", "align": 16 * MIB}, "ENXIO", "unsupported align"),
        ({"mode": "fsdax", "align": 64 << 10}, "ENXIO", "unsupported align"),
        ({"mode": "raw", "align": 2 * MIB}, "ENXIO", "does not support setting an alignment"),
        ({"mode": "devdax", "size": 8 * MIB}, "EINVAL", "align setting is"),
        ({"mode": "raw", "size": 100 * MIB + 4096}, "EINVAL", "align setting is"),
        ({"mode": "devdax", "align": GIB, "size": 512 * MIB}, "EINVAL", "interleave-width"),
        ({"mode": "sector", "sector_size": 1024}, "EINVAL", "btt sector_size"),
        ({"mode": "raw", "sector_size": 520}, "EINVAL", "namespace sector_size"),
        ({"mode": "devdax", "size": 4 * GIB}, "ENOSPC", "No space left on device"),
        ({"mode": "devdax", "align": GIB, "size": GIB}, "ENXIO", "failed to enable"),
    ],
)
def test_refusals(fields: dict[str, Any], errno: str, message: str) -> None:
    seen = create(machine("x86_64", 2 * GIB), **fields)
    assert seen["outcome"] == "refused"
    assert seen["errno"] == errno
    assert message in str(seen["message"])


def test_the_message_is_a_part_of_ndctls_words() -> None:
    step = CreateNamespace(mode="devdax", align=16 * MIB)
    prediction = Model(machine("x86_64", GIB)).predict(step)
    assert {e.name: e.relation for e in prediction.expected}["message"] == "contains"


@pytest.mark.parametrize(
    "fields",
    [{"mode": "raw", "map": "mem"}, {"mode": "devdax", "align": 3 << 20}],
)
def test_a_usage_error_has_no_errno(fields: dict[str, Any]) -> None:
    seen = create(machine("x86_64", GIB), **fields)
    assert seen["outcome"] == "refused"
    assert "errno" not in seen


def test_a_small_region_only_hosts_raw_namespaces() -> None:
    guest = machine("x86_64", 8 * MIB)
    assert create(guest, mode="raw")["size_bytes"] == 8 * MIB
    assert create(guest, mode="devdax")["errno"] == "ENOSPC"
    assert create(guest, mode="devdax", size=4 * MIB)["message"] == "must be >= 16MiB"


@pytest.mark.parametrize("mode", ["devdax", "fsdax"])
def test_a_size_of_zero_before_6_6_is_a_refusal_since(mode: Mode) -> None:
    """1G at 4.5G, aligned to 1G: half before the first multiple, half behind it."""

    def seen(version: tuple[int, int, int]) -> dict[str, Scalar]:
        model = Model(machine("x86_64", 4 * GIB, version=version))
        model.predict(CreateNamespace(mode="raw", size=512 * MIB))
        step = CreateNamespace(mode=mode, map="mem", align=GIB, size=GIB)
        return values(model.predict(step))

    assert seen((6, 1, 192))["outcome"] == "created"
    assert seen((6, 1, 192))["size_bytes"] == 0
    assert "device" not in seen((6, 1, 192))
    assert seen((6, 12, 117)) == {
        "outcome": "refused",
        "errno": "ENXIO",
        "message": "failed to enable",
    }


def test_without_a_size_ndctl_still_wants_a_multiple_of_the_alignment() -> None:
    seen = create(machine("x86_64", 1536 * MIB), mode="devdax", align=GIB)
    assert (seen["outcome"], seen["errno"]) == ("refused", "EINVAL")


def test_a_region_off_the_default_alignment_falls_back_to_pages() -> None:
    guest = machine("arm64", GIB, start=4 * GIB + 16 * MIB)
    mmu = guest.target.mmu.model_copy(update={"page_size": 65536, "pmd_size": 512 * MIB})
    large = replace(guest, target=guest.target.model_copy(update={"mmu": mmu}))
    assert create(large, mode="devdax", map="mem")["align_bytes"] == 65536


def test_large_struct_pages_only_live_in_ram() -> None:
    guest = machine("x86_64", GIB, struct_page=80)
    assert create(guest, mode="devdax")["errno"] == "ENXIO"
    assert create(guest, mode="devdax", map="mem")["outcome"] == "created"
    allowed = machine("x86_64", GIB, struct_page=80, NVDIMM_KMSAN="y")
    assert create(allowed, mode="devdax")["outcome"] == "created"


def test_too_little_ram_for_struct_pages_is_told_before_boot() -> None:
    tib = 1 << 40
    guest = machine("x86_64", tib, ARCH_WANT_HUGETLB_PAGE_OPTIMIZE_VMEMMAP="y")
    shared = CreateNamespace(mode="devdax", map="mem", align=GIB)
    assert Model(guest).unsupported([shared]) is None
    assert values(Model(guest).predict(shared))["size_bytes"] == 1023 * GIB
    reason = Model(guest).unsupported([CreateNamespace(mode="fsdax", map="mem")])
    assert reason is not None
    assert "bytes of RAM" in reason


def test_a_target_without_pmem_shows_no_region() -> None:
    model = Model(machine("s390x"))
    prediction = model.predict(Regions())
    assert values(prediction) == {"regions": 0}
    assert prediction.unsupported is None
    assert model.unsupported([Regions(), CreateNamespace(mode="raw")]) is not None


@pytest.mark.parametrize(
    ("without", "mode"),
    [("BTT", "sector"), ("NVDIMM_PFN", "fsdax"), ("DEV_DAX_PMEM", "devdax"), ("ACPI_NFIT", "raw")],
)
def test_a_kernel_without_the_driver_says_which(without: str, mode: Mode) -> None:
    model = Model(machine("x86_64", GIB, without=without))
    step = CreateNamespace(mode=mode)
    assert f"CONFIG_{without}" in str(model.unsupported([step]))


def test_unsupported_leaves_the_model_as_it_is() -> None:
    model = Model(machine("x86_64", GIB))
    step = CreateNamespace(mode="raw")
    assert model.unsupported([step]) is None
    assert values(model.predict(step))["outcome"] == "created"


def test_a_region_that_the_layout_lacks_is_the_users_error() -> None:
    with pytest.raises(UserError, match="region 1: the layout has 1 pmem device"):
        create(machine("x86_64", GIB), mode="raw", region=1)


def test_derivations_carry_the_numbers() -> None:
    step = CreateNamespace(mode="devdax", map="mem")
    expected = Model(machine("ppc64-hash", GIB)).predict(step).expected
    offset = next(e for e in expected if e.name == "data_offset")
    assert "0x1000000 = max(align 0x1000000, compat 0x1000000)" in offset.because
    assert offset.rule.id == "ns.data-offset"


def test_debug_pagealloc_that_is_off_leaves_the_16m_pages() -> None:
    assert machine("ppc64-hash", GIB, DEBUG_PAGEALLOC="y").linear_page == 16 * MIB


@pytest.mark.parametrize(
    "guest",
    [
        machine("ppc64-hash", GIB, KFENCE="y"),
        machine("ppc64-hash", GIB, DEBUG_PAGEALLOC_ENABLE_DEFAULT="y"),
    ],
)
def test_what_unmaps_single_pages_takes_the_16m_pages_from_the_linear_map(guest: Machine) -> None:
    assert guest.memremap_compat_align == 2 * MIB
    assert guest.supported_alignments == (65536, 16 * MIB)
    assert create(guest, mode="devdax", map="mem", align=65536)["data_offset"] == 2 * MIB
