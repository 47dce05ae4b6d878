"""Sentences about a series: what it did to one cell, to all cells, and which patch did it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from harness.records import Comparison, Difference, Fulfilment, PatchLabel, TimeRatio, Word
from harness.report.text import printable, printable_lines, render_value
from harness.units import count

_SHOWN = 8


def render_comparison(comparison: Comparison, patch: PatchLabel | None) -> list[str]:
    """What became of the cell between two kernels, in lines without indentation."""
    lines = [f"{comparison.word.value} {_between(comparison.base, patch)}"]
    first, *more = printable_lines(comparison.base_reason)
    lines.append(f"  before: {comparison.base_verdict.value}{first and f': {first}'}")
    lines += [f"    {line}" for line in more]
    lines += [f"  a known defect, new: {printable(one)}" for one in comparison.defects_new]
    lines += [f"  a known defect, gone: {printable(one)}" for one in comparison.defects_gone]
    lines += _some([f"  {_difference(one)}" for one in comparison.differences], "  ", "values")
    lines += render_lost(comparison.lost, "  ")
    lines += [f"  {_ratio(ratio)}" for ratio in comparison.times]
    return lines + [f"  {_fulfilment(fulfilment)}" for fulfilment in comparison.intended]


def render_series_summary(cells: Iterable[Mapping[str, Any]]) -> str:
    """How many cells a series left alone, broke and mended; each broken one with its patch."""
    compared = [cell for cell in cells if cell["comparison"]]
    words = Counter(str(cell["comparison"]["word"]) for cell in compared)
    counts = ", ".join(f"{words[w.value]} {w.value}" for w in Word if words[w.value])
    lines = [f"series: {counts or 'nothing compared'}"]
    for cell in compared:
        if _is_told(cell):
            lines.append(f"  {cell['comparison']['word']:12} {cell['id']}  {_patch_of(cell)}")
        lines += [f"    {_ratio(r)}" for r in _claimed(cell["comparison"]["times"])]
    lost = dict.fromkeys(str(one) for cell in compared for one in cell["comparison"]["lost"])
    if any(_is_told(cell) and _patches_between(cell) > 1 for cell in compared):
        lines.append("  which patch it is: --per-patch compares each with the one before it, and")
        lines.append("  `daxhound bisect` finds that of one cell in fewer kernels")
    return "\n".join([*lines, *render_lost(list(lost)), *_expected_changes(compared)])


def _is_told(cell: Mapping[str, Any]) -> bool:
    return cell["comparison"]["word"] not in (Word.UNCHANGED, Word.INFRASTRUCTURE)


def _patches_between(cell: Mapping[str, Any]) -> int:
    """By how many patches the two kernels of a cell differ."""
    comparison = cell["comparison"]
    return int(comparison["patch"] - comparison["base"]["patch"])


def render_lost(lost: Sequence[str], indent: str = "") -> list[str]:
    """What a kernel no longer has and the model expects of it all the same."""
    head = f"{indent}taken away, and expected as before all the same:"
    names = [f"{indent}  {printable(one)}" for one in lost]
    return [head, *_some(names, f"{indent}  ", "")] if names else []


def _some(lines: Sequence[str], indent: str, what: str) -> list[str]:
    more = len(lines) - _SHOWN
    return [*lines[:_SHOWN], *([f"{indent}and {more} more {what}".rstrip()] if more > 0 else [])]


def _expected_changes(compared: Iterable[Mapping[str, Any]]) -> list[str]:
    """Values that change in cells that are as they should be: by what the patches bring."""
    seen: Counter[str] = Counter()
    for cell in compared:
        if cell["comparison"]["word"] == Word.UNCHANGED:
            seen.update({_change(found) for found in cell["comparison"]["differences"]})
    lines = [
        f"  {change} in {count(number, 'cell')}" for change, number in seen.most_common(_SHOWN)
    ]
    head = "values that the patches change, as the model or their author lets expect:"
    return [head, *lines] if lines else []


def _change(found: Mapping[str, Any]) -> str:
    values = f"{render_value(found['base'])} -> {render_value(found['patched'])}"
    return f"{found['name']}: {values}"


def render_culprit(cell: str, suspects: Sequence[PatchLabel], comparison: Comparison) -> list[str]:
    """Which patch broke a cell."""
    if len(suspects) == 1:
        patch = suspects[0]
        lines = [f"{cell}: broken by patch {patch.position}: {printable(patch.subject)}"]
    else:
        lines = [f"{cell}: broken by one of these patches, the last of which shows it:"]
        lines += [f"  {patch.position}: {printable(patch.subject)}" for patch in suspects]
    return lines + [f"  {line}" for line in render_comparison(comparison, suspects[-1])]


def _between(base: PatchLabel, patch: PatchLabel | None) -> str:
    position = patch.position if patch else 0
    if position - base.position == 1:
        return f"by patch {position}: {printable(patch.subject if patch else '')}"
    since = "the base" if base.position == 0 else f"patch {base.position}"
    return f"between {since} and patch {position}"


def _difference(difference: Difference) -> str:
    values = f"{render_value(difference.base)} -> {render_value(difference.patched)}"
    return f"step {difference.step}: {difference.name}: {values}"


def _fulfilment(fulfilment: Fulfilment) -> str:
    wanted = fulfilment.intention
    met = "as intended" if fulfilment.met else "NOT as intended"
    becomes = f"{wanted.value} of {wanted.step} becomes {wanted.becomes}"
    words = f"{becomes} ({printable(wanted.because)}; {printable(wanted.where)})"
    return f"{met}: {words}: {printable(fulfilment.seen)}"


def _claimed(times: Iterable[Mapping[str, Any]]) -> list[TimeRatio]:
    ratios = [TimeRatio(**ratio) for ratio in times]
    return [ratio for ratio in ratios if ratio.claimed]


def _ratio(ratio: TimeRatio) -> str:
    sure = "changed" if ratio.claimed else "no change to be told from noise"
    return (
        f"step {ratio.step}: {ratio.name}: x {ratio.median:.2f} "
        f"[{ratio.low:.2f}, {ratio.high:.2f}] in {ratio.pairs} pairs: {sure}"
    )


def _patch_of(cell: Mapping[str, Any]) -> str:
    comparison = cell["comparison"]
    if _patches_between(cell) == 1:
        return f"patch {comparison['patch']}: {printable(str(comparison['patch_subject']))}"
    return ""
