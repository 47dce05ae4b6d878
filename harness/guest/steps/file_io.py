"""Files beside the DAX file: where they end, what is in them, and when they were changed."""

from __future__ import annotations

from harness.guest.protocols import Shell
from harness.guest.steps.context import StepContext
from harness.guest.steps.mapping import ended_early
from harness.guest.steps.probe import ProbeRun, run_probe
from harness.observe.daxprobe import first_errno, integer
from harness.records import Observation, Scalar
from harness.scenario.steps import FileIo

_PATH = '"$file"-io'


def look_at_files(step: FileIo, shell: Shell, context: StepContext) -> Observation:
    """What read(), write() and a store through a mapping do to files that are made for it."""
    page = context.page_size
    operations = [
        f"sparse:{step.size}:0:{_PATH}",
        f"sparse:{step.size}:{min(step.size, page)}:{_PATH}",
        f"stale:{step.STALE_PAGES * page}:{page}:{_PATH}",
        f"store-time:{_PATH}",
    ]
    run = run_probe(step.kind, "fsdax", step.region, operations, shell, context)
    return Observation(step.kind, ended_early(run) or _values(run), (run.record,))


def _values(run: ProbeRun) -> dict[str, Scalar]:
    replies = run.replies
    sparse, tail = replies.one("sparse", 0), replies.one("sparse", 1)
    stale, times = replies.one("stale"), replies.one("store-time")
    refused = first_errno((sparse, tail, stale, times))
    if refused is not None:
        return {"outcome": "refused", "errno": refused}
    return {
        "outcome": "done",
        "sparse_bytes": integer(sparse, "bytes"),
        "tail_bytes": integer(tail, "bytes"),
        "stale_bytes": integer(stale, "bytes"),
        "modified": min(integer(times, "modified"), integer(times, "changed")) > 0,
    }
