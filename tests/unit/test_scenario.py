"""The scenario format: what it expands to, and how each mistake is answered."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import UserError
from harness.kernel.fragments import fragment_names
from harness.scenario.expand import Cell, check_names, check_targets, expand
from harness.scenario.schema import load_scenarios
from harness.scenario.steps import CreateNamespace
from harness.target import load_targets, select_targets

TARGETS = load_targets()
SCENARIOS = Path(__file__).resolve().parents[2] / "scenarios"

GOOD = """\
scenario: sample
summary: two devices, two alignments
layout:
  pmem:
    - {size: 1G}
    - {size: 1G}
parameters:
  align: [page, pmd]
steps:
  - create-namespace: {mode: devdax, map: mem, align: $align}
"""


def cells(tmp_path: Path, text: str, *names: str) -> list[Cell]:
    path = tmp_path / "sample.yaml"
    path.write_text(text)
    targets = {name: TARGETS[name] for name in names or ("ppc64-hash",)}
    found: list[Cell] = []
    for scenario in load_scenarios(path):
        check_targets(scenario, TARGETS)
        found += expand(scenario, targets)
    return found


def test_sizes_are_the_targets_own(tmp_path: Path) -> None:
    found = cells(tmp_path, GOOD, "ppc64-hash", "x86_64")
    assert [cell.id for cell in found] == [
        "sample.yaml::sample[ppc64-hash-64K]",
        "sample.yaml::sample[ppc64-hash-16M]",
        "sample.yaml::sample[x86_64-4K]",
        "sample.yaml::sample[x86_64-2M]",
    ]
    step = found[1].steps[0]
    assert isinstance(step, CreateNamespace)
    assert step.align == 16 << 20


def test_a_size_under_two_names_is_one_cell(tmp_path: Path) -> None:
    text = GOOD.replace("[page, pmd]", "[64K, page, 65536]")
    assert [cell.name for cell in cells(tmp_path, text)] == ["sample[ppc64-hash-64K]"]
    found = cells(tmp_path, text.replace("map: mem, align", "map: mem, size"), "x86_64")
    assert [cell.name for cell in found] == ["sample[x86_64-64K]", "sample[x86_64-4K]"]


@pytest.mark.parametrize(("ram", "start"), [("2814M", 4 << 30), ("2816M", 7 << 30)])
def test_devices_lie_behind_ram_that_goes_above_4g(tmp_path: Path, ram: str, start: int) -> None:
    text = GOOD.replace("layout:\n", f"layout:\n  ram: {ram}\n")
    assert cells(tmp_path, text, "x86_64")[0].layout.pmem[0].start == start


@pytest.mark.parametrize("ram", ["2M", "30M"])
def test_ram_that_holds_no_kernel_is_refused(tmp_path: Path, ram: str) -> None:
    text = GOOD.replace("layout:\n", f"layout:\n  ram: {ram}\n")
    with pytest.raises(UserError, match=f"{ram} of RAM hold no kernel") as caught:
        cells(tmp_path, text, "x86_64")
    assert (caught.value.line, caught.value.field) == (4, "layout.ram")
    assert cells(tmp_path, text.replace(ram, "64M"), "x86_64")[0].layout.ram_bytes == 64 << 20


def test_devices_follow_each_other(tmp_path: Path) -> None:
    first, second = cells(tmp_path, GOOD)[0].layout.pmem
    assert (first.start, second.start) == (4 << 30, 5 << 30)
    assert first.uuid != second.uuid


def test_x86_has_every_device_above_a_terabyte_once_one_is_as_large(tmp_path: Path) -> None:
    large = GOOD.replace("size: 1G", "size: 1T", 1)
    first, second = cells(tmp_path, large, "x86_64")[0].layout.pmem
    assert (first.start, second.start) == (1 << 40, 2 << 40)
    small_below = large.replace("size: 1G", "size: 1X").replace("size: 1T", "size: 1G, at: 4G")
    with pytest.raises(UserError, match="0x100000000 is RAM or reserved on x86_64") as caught:
        cells(tmp_path, small_below.replace("1X", "1T"), "x86_64")
    assert (caught.value.line, caught.value.hint) == (5, "0x10000000000 or above")


def test_a_target_without_pmem_gives_one_cell_without_devices(tmp_path: Path) -> None:
    (cell,) = cells(tmp_path, GOOD, "s390x")
    assert cell.name == "sample[s390x]"
    assert cell.layout.pmem == ()


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("size: 1G", "size: 1000M", 5, "layout.pmem.0.size: 1000M is not a multiple of 256M"),
        ("size: 1G", "size: 12x", 5, "is not a size such as"),
        ("size: 1G", "size: 1G, label: 4K", 5, "too small for a label area\n  try: 128K"),
        ("size: 1G", "size: 1G, at: 1G", 5, "is RAM or reserved"),
        ("size: 1G", "size: 1G, at: 0x100100000", 5, "is not a multiple of 16M"),
        ("size: 1G", "size: 010M", 5, "layout.pmem.0.size: '010M' begins with 0"),
        ("map: mem", "size: 010M", 10, "create-namespace.size: '010M' begins with 0"),
        ("layout:", "layout:\n  ram: 01G", 4, "which sizes are not\n  try: 1G"),
        ("size: 1G", f"size: 0x{'f' * 5000}", 5, "layout.pmem.0.size: '0xfff"),
        ("layout:", "layout:\n  ram: 0", 4, "layout.ram: 0 is not a multiple of"),
        ("size: 1G", "size: 100T", 5, "46 bits of physical address"),
        ("size: 1G", "size: 1G, label: 131073", 5, "wants of a label area\n  try: 128K or 132K"),
        ("size: 1G", "size: 1G, lable: 1M", 5, "no such field\n  try: 'label'"),
        ("    - {size: 1G}\nparam", "    - {size: 1G, at: 4G}\nparam", 6, "overlaps device 0"),
        ("[page, pmd]", "[]", 8, "parameters.align: has too little in it\n  try: at least 1"),
        ("[page, pmd]", "[pmd, page, pmd]", 8, "parameters.align.2: 'pmd' stands there twice"),
        ("[page, pmd]", "\n    - 1\n    - true\n    - 1", 11, "align.2: 1 stands there twice"),
        ("$align", "$algn", 10, "no such parameter: '$algn'\n  try: 'align'"),
        ("map: mem", "map: ram", 10, "map: no such value: 'ram'\n  try: one of: dev, mem"),
        ("create-namespace", "create-namespce", 10, "try: 'create-namespace'"),
        ("summary", "sumary", 2, "try: 'summary'"),
        ("parameters:", "targets: [ppc64]\nparameters:", 7, "no such target: 'ppc64'"),
        ("parameters:", "layout: {}\nparameters:", 7, "layout: given twice"),
        ("map: mem", "map: [mem", 10, "not YAML"),
    ],
)
def test_mistakes_name_line_and_remedy(
    tmp_path: Path, old: str, new: str, line: int, words: str
) -> None:
    with pytest.raises(UserError) as caught:
        cells(tmp_path, GOOD.replace(old, new, 1))
    assert words in str(caught.value)
    assert caught.value.line == line
    assert str(tmp_path / "sample.yaml") in str(caught.value)


LIST = 'try: a list: each item on a line of its own that begins with "- "'
GUP = "  - gup-test: {command: pin-fast, memory: devdax}\n"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("pin-fast", "pin_fast", "command: no such value: 'pin_fast'\n  try: 'pin-fast' (known: "),
        ("memory: devdax", "memory: devdax, write: yes please", "'yes please' is neither true nor"),
        ("memory: devdax", "memory: devdax, repeats: 0", "0 is out of range\n  try: at least 1"),
        (
            "memory: devdax",
            "memory: devdax, repeats: true",
            "whole number is wanted here, not true",
        ),
        ("memory: devdax", "memory: devdax, region: true", "whole number is wanted here, not true"),
        (
            "layout:",
            "layout:\n  cpus: true",
            "layout.cpus: a whole number is wanted here, not true",
        ),
        (
            "memory: devdax",
            "memory: devdax, pages_per_call: 4294967296",
            "4294967296 is out of range\n  try: at most 2147483647",
        ),
        ("memory: devdax", "memory: devdax, repeats: x", "a whole number is wanted here, not 'x'"),
        ("mode: devdax, ", "", "mode: must be given\n  try: one of: devdax, fsdax, raw, sector"),
        ("[page, pmd]", "page", "align: a list is wanted here, not 'page'\n  try: [page]"),
        ("[page, pmd]", "", f"align: a list is wanted here, not nothing\n  {LIST}"),
        ("    - {size: 1G}", "    - 1G", "fields with values are wanted here, not '1G'"),
        ("    - {size: 1G}", "    - size", "here, not 'size'\n  try: size: with a colon"),
        ("- {size: 1G}", "- {size: 1.5G}", "'1.5G' is not a size such as 64K"),
        ("- {size: 1G}", "- {size: 1.5G}", "\n  try: 1536M"),
        ("- {size: 1G}", "- {size: [1G]}", "size: one value is wanted here, not a list"),
        ("targets: all", "targets: 5", "targets: a list is wanted here, not 5\n  try: [5]"),
        ("sample", "my odd [x]", "letters and digits, with - between\n  try: my-odd-x"),
        ("sample", "1", 'scenario: text is wanted here, not 1\n  try: "1", in quotes'),
        (GUP, "  - features\n", "steps.1: fields with values are wanted here, not 'features'"),
        (GUP, "  - features: 3\n", "steps.1.features: 3 is no field of features"),
        (
            "gup-test: {command: pin-fast, memory: devdax}",
            "gup-test:\n    command: pin-fast",
            "steps.1: a step is one name with its fields\n"
            "  try: the fields of gup-test below it, with more spaces before each",
        ),
        (
            GUP,
            f"{GUP}    regions: {{}}\n",
            'steps.1: a step is one name with its fields\n  try: "- " before regions, too',
        ),
    ],
)
def test_a_value_of_another_kind_is_named_with_what_would_do(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    text = GOOD.replace("layout:", "targets: all\nlayout:") + GUP
    assert old in text
    with pytest.raises(UserError) as caught:
        cells(tmp_path, text.replace(old, new, 1))
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "layout:\n  pmem:\n    - {size: 1G}\n    - {size: 1G}\n",
            "",
            "6: steps.0.create-namespace.region: region 0: the layout has 0 pmem devices\n"
            "  try: layout: {pmem: [{size: 1G}]}",
        ),
        (
            "memory: devdax",
            "memory: devdax, region: 2",
            "11: steps.1.gup-test.region: region 2: the layout has 2 pmem devices\n"
            "  try: region: 0 to 1",
        ),
        (
            "memory: devdax",
            "memory: devdax, device: dax0.0",
            "11: steps.1.gup-test.device: dax region 0: the layout has 0 ranges of soft-reserved"
            " memory\n  try: layout: {ram: 3G, soft_reserved: [{size: 1G}]}",
        ),
        (
            "memory: devdax",
            "memory: devdax, size: 100K",
            "11: steps.1.gup-test.size: gup_test counts in MiB, not 100K\n  try: 1M",
        ),
    ],
)
def test_what_a_step_names_is_in_the_layout(tmp_path: Path, old: str, new: str, said: str) -> None:
    for target in ("ppc64-hash", "s390x"):
        with pytest.raises(UserError) as caught:
            cells(tmp_path, (GOOD + GUP).replace(old, new, 1), target)
        assert str(caught.value).endswith(f"sample.yaml:{said}")


def test_memory_that_is_in_no_region_asks_for_none(tmp_path: Path) -> None:
    text = "scenario: s\nsummary: s\nsteps:\n" + GUP.replace("devdax", "anon")
    assert len(cells(tmp_path, text)) == 1


def test_configurations_that_are_none_are_named(tmp_path: Path) -> None:
    path = tmp_path / "sample.yaml"
    path.write_text(GOOD.replace("layout:", "config: [no-memgc]\nlayout:", 1))
    (scenario,) = load_scenarios(path)
    with pytest.raises(UserError) as caught:
        check_names(scenario, TARGETS, ("debug", "no-memcg"))
    assert str(caught.value) == (
        f"{path}:3: config.0: no such configuration fragment: 'no-memgc'\n"
        "  try: 'no-memcg' (known: debug, no-memcg)"
    )


@pytest.mark.parametrize("steps", ["", " []", "\n  create-namespace: {mode: devdax}"])
def test_steps_are_a_list(tmp_path: Path, steps: str) -> None:
    with pytest.raises(UserError) as caught:
        cells(tmp_path, f"scenario: sample\nsummary: s\nsteps:{steps}\n")
    assert str(caught.value).endswith(f"sample.yaml:3: steps: no list of steps\n  {LIST}")


def test_a_parameter_that_nobody_declared_is_to_be_added(tmp_path: Path) -> None:
    text = GOOD.replace("parameters:\n  align: [page, pmd]\n", "")
    with pytest.raises(UserError) as caught:
        cells(tmp_path, text)
    assert caught.value.hint == "align: [VALUE, ...] under parameters:"


def test_a_second_scenario_of_one_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="second scenario named") as caught:
        cells(tmp_path, f"{GOOD}---\n{GOOD}")
    assert caught.value.hint == "a name of its own; the first is in line 1"


def test_what_is_no_scenario_is_told_what_one_begins_with(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="a scenario is a mapping\n  try: scenario: NAME"):
        cells(tmp_path, "- regions:\n")


def test_unknown_targets_list_the_known() -> None:
    with pytest.raises(UserError, match="ppc64-hash, ppc64-hash-4k"):
        select_targets(["ppc46-hash"], TARGETS)
    names = [t.name for t in select_targets(["arm64,s390x", "arm64"], TARGETS)]
    assert names == ["arm64", "s390x"]


def test_a_target_is_one_of_all_or_a_variant_of_one() -> None:
    everything, variants = (select_targets([group], TARGETS) for group in ("all", "variants"))
    of = {t.variant_of for t in variants if t.variant_of is not None}
    assert {t.name for t in everything} == of | {"s390x", "x86_64"}
    assert all(t.variant_of is not None or not t.in_all for t in variants)
    assert set(select_targets(["all,variants"], TARGETS)) == set(TARGETS.values())
    assert select_targets(["variants", "s390x"], TARGETS) == (*variants, TARGETS["s390x"])


def test_a_scenario_for_a_target_is_for_its_variants_too(tmp_path: Path) -> None:
    text = GOOD.replace("layout:", "targets: [arm64]\nlayout:", 1)
    names = [cell.name for cell in cells(tmp_path, text, "arm64", "arm64-64k", "x86_64")]
    assert names == [
        f"sample[{n}]" for n in ("arm64-4K", "arm64-2M", "arm64-64k-64K", "arm64-64k-512M")
    ]


def test_a_scenario_may_be_for_no_variant(tmp_path: Path) -> None:
    text = GOOD.replace("layout:", "variants: false\nlayout:", 1)
    assert {cell.target.name for cell in cells(tmp_path, text, "arm64", "arm64-64k")} == {"arm64"}


def test_a_configuration_of_the_run_is_part_of_every_name(tmp_path: Path) -> None:
    path = tmp_path / "sample.yaml"
    path.write_text(GOOD.replace("layout:", "config: [no-thp]\nlayout:", 1))
    (scenario,) = load_scenarios(path)
    cell, _ = expand(scenario, {"s390x": TARGETS["x86_64"]}, ("debug", "no-thp"))
    assert cell.name == "sample[x86_64-4K+debug+no-thp]"
    assert cell.config == ("no-thp", "debug")


def test_a_configuration_that_nobody_chose_leaves_one_cell(tmp_path: Path) -> None:
    path = tmp_path / "sample.yaml"
    path.write_text(GOOD.replace("layout:", "needs_config: [debug]\nlayout:", 1))
    (scenario,) = load_scenarios(path)
    targets = {"x86_64": TARGETS["x86_64"]}
    assert [cell.name for cell in expand(scenario, targets)] == ["sample[x86_64]"]
    assert [cell.config for cell in expand(scenario, targets, ("no-thp",))] == [("no-thp",)]
    chosen = [cell.name for cell in expand(scenario, targets, ("debug",))]
    assert chosen == ["sample[x86_64-4K+debug]", "sample[x86_64-2M+debug]"]


@pytest.mark.parametrize("path", sorted(SCENARIOS.glob("*.yaml")), ids=lambda p: p.name)
def test_a_configuration_that_a_scenario_needs_is_one(path: Path) -> None:
    for scenario in load_scenarios(path):
        assert set(scenario.body.needs_config) <= set(fragment_names())


def test_a_scenario_has_a_guest_or_none(tmp_path: Path) -> None:
    gates = "  - kconfig: {ask: [pmem], symbols: [ZONE_DEVICE]}\n"
    (cell,) = cells(tmp_path, f"scenario: gates\nsummary: s\nsteps:\n{gates}", "s390x")
    assert (cell.needs_guest, cell.wished) == (False, ("pmem",))
    with pytest.raises(UserError, match="kconfig and create-namespace in one scenario"):
        cells(tmp_path, GOOD + gates)


@pytest.mark.parametrize("path", sorted(SCENARIOS.glob("*.yaml")), ids=lambda p: p.name)
def test_every_shipped_scenario_expands_on_every_target(path: Path) -> None:
    for scenario in load_scenarios(path):
        check_targets(scenario, TARGETS)
        names = [cell.name for cell in expand(scenario, TARGETS)]
        assert names
        assert len(names) == len(set(names))


NODES = GOOD.replace(
    "layout:\n  pmem:\n    - {size: 1G}",
    "layout:\n  nodes: [1G, 512M]\n  pmem:\n    - {size: 1G, node: 1}",
)


def test_ram_is_the_sum_of_its_nodes(tmp_path: Path) -> None:
    layout = cells(tmp_path, NODES)[0].layout
    assert (layout.ram_bytes, layout.nodes) == (1536 << 20, (1 << 30, 512 << 20))
    assert [device.node for device in layout.pmem] == [1, None]


def test_a_node_may_have_a_device_and_no_ram(tmp_path: Path) -> None:
    layout = cells(tmp_path, NODES.replace("512M", "0"))[0].layout
    assert (layout.ram_bytes, layout.nodes) == (1 << 30, (1 << 30, 0))
    assert layout.pmem[0].node == 1


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("node: 1", "node: 2", "node 2 is none of the layout's 2"),
        ("  nodes: [1G, 512M]\n", "", "the layout has no nodes"),
        ("  nodes:", "  ram: 2G\n  nodes:", "ram is the sum of what the nodes have"),
        ("512M", "100M", "100M is not a multiple of 256M, which ppc64-hash wants of a node"),
        ("[1G, 512M]", "[0, 1G]", "0 is not a multiple of 256M"),
        ("[1G, 512M]", str(["1G"] * 9).replace("'", ""), "9 nodes; a guest takes 8"),
    ],
)
def test_nodes_that_a_guest_would_not_get(tmp_path: Path, old: str, new: str, said: str) -> None:
    with pytest.raises(UserError) as caught:
        cells(tmp_path, NODES.replace(old, new, 1))
    assert said in str(caught.value)


def test_x86_would_drop_nodes_that_end_within_a_section(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="96M is not a multiple of 128M"):
        cells(tmp_path, NODES.replace("512M", "96M"), "x86_64")


@pytest.mark.parametrize("name", ["s390x", "arm64"])
def test_machines_whose_guests_have_no_nodes(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match=f"{name} has no memory nodes"):
        cells(tmp_path, NODES, name)


def test_cells_whose_kernels_are_told_otherwise_have_guests_of_their_own(tmp_path: Path) -> None:
    """One that is to lose its power says more while it boots."""
    layout = "layout:\n  pmem:\n    - {size: 1G}\n"
    texts = [
        f"scenario: {name}\nsummary: a guest\n{layout}steps:\n{steps}"
        for name, steps in (
            ("plain", "  - regions:\n"),
            ("cut", "  - regions:\n  - power-cycle:\n"),
            ("plain-too", "  - features:\n"),
        )
    ]
    path = tmp_path / "x.yaml"
    path.write_text("---\n".join(texts))
    target = load_targets()["ppc64-hash"]
    plain, cut, too = (
        next(expand(scenario, {target.name: target})) for scenario in load_scenarios(path)
    )
    assert plain.guest == too.guest != cut.guest
    assert "dyndbg" in cut.boot_arguments[0]
