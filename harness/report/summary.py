"""A run in one sentence and a few figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from harness.records import Verdict
from harness.report.difference import Difference
from harness.report.findings import Finding
from harness.report.run import Run
from harness.units import count

_NAMED = 3


def headline(run: Run, findings: Sequence[Finding]) -> str:
    """What a person should know after five seconds."""
    for words, tell in (
        (("regressed", "build-broken"), _regressed),
        (("new failure", "fails otherwise"), _new),
        (("changed", "failing", "still failing", "failing before"), _failing),
    ):
        chosen = [finding for finding in findings if finding.word in words]
        if chosen:
            return tell(run, chosen)
    return _incomplete(run) if run.document.incomplete else _nothing(run)


def name_patches(run: Run, finding: Finding) -> str:
    """What brought a finding: ``patch 3/5 "subject"``, several patches, or the series."""
    patches = run.series.patches if run.series else ()
    last = max((patch.position for patch in patches), default=0)
    first, position = finding.cells[0].patch_before + 1, finding.patch or last
    if first == position:
        return name_patch(run, position, finding.patch_subject)
    if first == 1 and position == last:
        return f'the series "{run.series.name}"' if run.series else "the series"
    return f"patches {first} to {position} of {last}"


def name_patch(run: Run, position: int, subject: str | None = None) -> str:
    """``patch 3/5 "subject"``."""
    known = {patch.position: patch.subject for patch in (run.series.patches if run.series else ())}
    subject = subject or known.get(position, "")
    return f"patch {position}/{max(known, default=position)}" + (f' "{subject}"' if subject else "")


def name_kernels(run: Run) -> Iterator[str]:
    """Each kernel as it was asked for, with what that stood for: release and revision."""
    for spec in run.kernels or (run.document.kernel,):
        cells = [cell.entry for cell in run.cells if cell.kernel_spec == spec]
        known = sorted({cell.kernel for cell in cells} - {spec})
        known += sorted({f"revision {cell.revision}" for cell in cells if cell.revision})
        yield f"{spec} ({', '.join(known)})" if known else spec


def describe_earlier(run: Run, difference: Difference) -> Iterator[str]:
    """What to know of the run that this one is held against, a sentence each."""
    earlier = difference.earlier
    yield f"Compared with the run in {earlier.directory}."
    kernels, now = (", ".join(name_kernels(one)) for one in (earlier, run))
    if kernels != now:
        yield f"That run was of {kernels}."
    if earlier.document.incomplete:
        yield "That run lacks cells that it was to have."
    for when, whose, cells in (
        ("Not run this time", "that", difference.not_run),
        ("Not run that time", "this", difference.not_before),
    ):
        if cells:
            more = f" and {len(cells) - _NAMED} more" if len(cells) > _NAMED else ""
            told = f"{count(len(cells), 'cell')} of {whose} run"
            yield f"{when}: {told}: {', '.join(cells[:_NAMED])}{more}."


def verdict_counts(run: Run) -> dict[Verdict, int]:
    """How many cells came to each verdict, in the order of the vocabulary."""
    found = Counter(cell.entry.verdict for cell in run.cells)
    return {verdict: found[verdict] for verdict in Verdict if found[verdict]}


def _stems(findings: Sequence[Finding]) -> int:
    return len({(cell.stem, cell.kernel_spec) for f in findings for cell in f.places})


def _targets(findings: Sequence[Finding]) -> str:
    return join(sorted({target for finding in findings for target in finding.targets}))


def join(names: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _regressed(run: Run, findings: Sequence[Finding]) -> str:
    """What became of cells, and of kernels, which first of all are to build."""
    unbuilt = [finding for finding in findings if finding.word == "build-broken"]
    others = [finding for finding in findings if finding not in unbuilt]
    told = []
    if others:
        cells = count(_stems(others), "cell")
        told.append(_blame(run, others, "regresses", "regress", f" {cells}"))
    if unbuilt:
        told.append(_blame(run, unbuilt, "does not build", "do not build"))
    return "; ".join(f"{one[0].upper()}{one[1:]}" for one in told)


def _blame(run: Run, findings: Sequence[Finding], verb: str, verbs: str, what: str = "") -> str:
    """Who did it, and where; ``verbs`` is for several patches."""
    culprits = sorted({finding.patch or 0 for finding in findings})
    by = name_patches(run, findings[0])
    if len(culprits) > 1:
        total = max(patch.position for patch in run.series.patches) if run.series else len(culprits)
        by = f"patches {join([str(patch) for patch in culprits])} of {total}"
    does = verbs if by.startswith("patches ") else verb
    return f"{by} {does}{what} on {_targets(findings)}"


def _new(_run: Run, findings: Sequence[Finding]) -> str:
    return f"{count(_stems(findings), 'new failure')} on {_targets(findings)}"


def _failing(_run: Run, findings: Sequence[Finding]) -> str:
    """Of those that fail; a cell may be another than before, and as it should be."""
    failing = [finding for finding in findings if finding.cells[0].failing]
    if not failing:
        other = f"{count(_stems(findings), 'cell')} with another outcome than without the series"
        return f"{other} on {_targets(findings)}"
    cells = _stems(failing)
    ways = len({finding.what for finding in failing})
    how = "" if cells == 1 else f" in {count(ways, 'way')}"
    verb = "fails" if cells == 1 else "fail"
    return f"{count(cells, 'cell')} {verb}{how} on {_targets(failing)}"


def _incomplete(run: Run) -> str:
    finished, chosen = len(run.cells), run.document.chosen
    of_all = count(max(chosen or 0, finished), "cell")
    if chosen is not None:
        of_all = f"{finished or 'none'} of {of_all}"
    what = "Ended early" if run.document.ended_early else "Incomplete"
    if not finished:
        return f"{what}: {of_all} finished"
    sound = all(cell.entry.verdict.is_expected and not cell.known_defects for cell in run.cells)
    nothing = _nothing(run)
    if sound:
        nothing = f"nothing {_word(run)} in {'it' if finished == 1 else 'them'}"
    return f"{what}: {of_all} finished; {nothing[0].lower()}{nothing[1:]}"


def _word(run: Run) -> str:
    return "regressed" if run.series else "failed"


def _nothing(run: Run) -> str:
    counts = verdict_counts(run)
    unknown = counts.get(Verdict.INFRASTRUCTURE, 0)
    if not run.cells:
        return "No cell has finished"
    if unknown:
        return f"Nothing failed, but {count(unknown, 'cell')} could not be run: the host failed"
    word = _word(run)
    defects = {defect for cell in run.cells for defect in cell.known_defects}
    if defects:
        shown = sum(bool(cell.known_defects) for cell in run.cells)
        what = f"{count(len(defects), 'known defect')} of the kernel in {count(shown, 'cell')}"
        return f"Nothing {word} that was not known: {what}"
    return f"Nothing {word}: all that was predicted of {count(len(run.cells), 'cell')} was seen"
