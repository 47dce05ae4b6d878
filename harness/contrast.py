"""One cell on two kernels: what the patches between them did to it."""

from __future__ import annotations

import operator
from collections.abc import Iterator

from harness.reasons import lasting_reason
from harness.records import (
    CellResult,
    Comparison,
    Difference,
    Fulfilment,
    Intention,
    Mismatch,
    PatchLabel,
    Scalar,
    StepResult,
    TimeRatio,
    Verdict,
    Word,
)

BASE = PatchLabel(0, "")


def contrast(
    base: CellResult,
    patched: CellResult,
    times: tuple[TimeRatio, ...] = (),
    intentions: tuple[Intention, ...] = (),
    earlier: tuple[Intention, ...] = (),
    first: CellResult | None = None,
) -> Comparison:
    """The patched kernel's result in the light of the base's.

    A finding is the same one where the verdict is the same and so is the report's
    fingerprint or, without a report, every value that differs from its prediction; how far
    one is beyond a bound is noise. A change that was announced and did not come is a
    regression, and so is one that an ``earlier`` patch brought and that is gone, by what the
    ``first`` kernel showed, that of no patch.
    """
    due = tuple(_fulfilment(intention, base, patched, times) for intention in intentions)
    kept = (_kept(intention, first or base, base, patched) for intention in earlier)
    intended = (*due, *(found for found in kept if not found.met))
    word = _word(base, patched)
    if word in (Word.UNCHANGED, Word.CHANGED) and not all(found.met for found in intended):
        word = Word.REGRESSED
    return Comparison(
        word=word,
        base=base.patch or BASE,
        base_verdict=base.verdict,
        base_reason=base.reason,
        differences=tuple(_differences(base, patched)),
        times=times,
        intended=intended,
        lost=tuple(one for one in patched.lost if one not in base.lost),
        defects_new=_defects_beyond(patched, base),
        defects_gone=_defects_beyond(base, patched),
    )


def _fulfilment(
    intention: Intention, base: CellResult, patched: CellResult, times: tuple[TimeRatio, ...]
) -> Fulfilment:
    if intention.needs_timings:
        return _time_fulfilment(intention, times)
    seen = [
        (before.observation.values.get(intention.value), after.observation.values[intention.value])
        for before, after in zip(base.steps, patched.steps, strict=False)
        if after.step == intention.step and intention.value in after.observation.values
    ]
    became = [_became(intention, *pair) for pair in seen]
    # A step that the change does not reach is no broken promise.
    stayed = [before == after for before, after in seen]
    met = any(became) and all(map(operator.or_, became, stayed))
    words = "; ".join(f"{before} -> {after}" for before, after in seen)
    return Fulfilment(intention, met, words or "not shown by any step")


def _kept(
    intention: Intention, first: CellResult, base: CellResult, patched: CellResult
) -> Fulfilment:
    """Whether a value is still what a patch before both kernels made it; of times none is told."""
    steps = zip(first.steps, base.steps, patched.steps, strict=False)
    seen = [
        tuple(step.observation.values.get(intention.value) for step in kernels)
        for kernels in steps
        if kernels[-1].step == intention.step and not intention.value.endswith("_us")
    ]
    met = all(
        before == after or _became(intention, origin, after) for origin, before, after in seen
    )
    return Fulfilment(intention, met, "; ".join(f"{was} -> {now}" for _, was, now in seen))


def _became(intention: Intention, before: Scalar, after: Scalar) -> bool:
    if intention.becomes not in ("lower", "higher"):
        return after == intention.becomes
    if not isinstance(before, int) or not isinstance(after, int):
        return False
    return after < before if intention.becomes == "lower" else after > before


def _time_fulfilment(intention: Intention, times: tuple[TimeRatio, ...]) -> Fulfilment:
    """One pair of times tells nothing; only a claimed ratio does."""
    found = [r for r in times if r.name == intention.value and r.step.endswith(intention.step)]
    met = bool(found) and all(
        ratio.claimed and (ratio.median < 1) == (intention.becomes == "lower") for ratio in found
    )
    words = "; ".join(f"x {r.median:.2f} [{r.low:.2f}, {r.high:.2f}]" for r in found)
    return Fulfilment(intention, met, words or "no times were compared: --timings PAIRS")


def _word(base: CellResult, patched: CellResult) -> Word:
    if base.built and not patched.built and patched.verdict is not Verdict.INFRASTRUCTURE:
        return Word.BUILD_BROKEN
    if Verdict.INFRASTRUCTURE in (base.verdict, patched.verdict):
        return Word.INFRASTRUCTURE
    match base.is_expected, patched.is_expected:
        case True, True:
            return _word_of_defects(base, patched)
        case True, False:
            return Word.CHANGED if _only_defects_differ(patched) else Word.REGRESSED
        case False, True:
            # Of a kernel that has no more what failed, nobody says that it was mended.
            mended = patched.verdict is Verdict.OK and not patched.known_defects
            return Word.FIXED if mended else Word.CHANGED
        case _:
            return Word.UNCHANGED if _finding(base) == _finding(patched) else Word.CHANGED


def _word_of_defects(base: CellResult, patched: CellResult) -> Word:
    """Of two kernels that do as the model says, a defect that it knows of included."""
    if _defects_beyond(patched, base):
        return Word.REGRESSED
    if _defects_beyond(base, patched):
        return Word.FIXED
    return Word.UNCHANGED if base.verdict == patched.verdict else Word.CHANGED


def _defects_beyond(cell: CellResult, other: CellResult) -> tuple[str, ...]:
    """Known defects that a cell showed and the other did not, in words."""
    known = {rule.id for rule in other.known_defects}
    return tuple(rule.statement for rule in cell.known_defects if rule.id not in known)


def _only_defects_differ(result: CellResult) -> bool:
    """Whether all that is missed is a known defect: gone by a patch that no probe sees, or new."""
    missed = [m.expected.rule for step in result.steps for m in step.mismatches]
    return (
        result.verdict is Verdict.MISMATCH and bool(missed) and all(rule.defect for rule in missed)
    )


def _finding(result: CellResult) -> tuple[object, ...]:
    if result.phase == "build":
        return (result.phase,)
    if result.report is not None:
        # A stall, and what a grace period or a work brings, may come a step later.
        return result.verdict, result.phase == "boot", result.report.fingerprint
    wrong = tuple(
        (number, mismatch.expected.name, _telling(mismatch), mismatch.expected.value)
        for number, step in enumerate(result.steps)
        for mismatch in step.mismatches
    )
    return result.verdict, result.phase, wrong or lasting_reason(result.reason)


def _telling(mismatch: Mismatch) -> Scalar:
    """What was seen, as far as it is the same in every run: beyond a bound, that it was."""
    noisy = mismatch.expected.relation in (">=", "<=") and mismatch.observed is not None
    return mismatch.expected.relation if noisy else mismatch.observed


def _differences(base: CellResult, patched: CellResult) -> Iterator[Difference]:
    for number, (before, after) in enumerate(zip(base.steps, patched.steps, strict=False)):
        if before.step != after.step:
            return
        seen = before.observation.values, after.observation.values
        for name in _exact(before) | _exact(after):
            values = seen[0].get(name), seen[1].get(name)
            if values[0] != values[1]:
                yield Difference(f"{number}. {before.step}", name, *values)


def _exact(step: StepResult) -> dict[str, None]:
    """Names of the values that one number or word is predicted for; others have noise."""
    return {e.name: None for e in step.prediction.expected if e.relation == "=="}
