"""Poison in memory of no device: in whom it is found at once, who finds it later, what is left."""

from __future__ import annotations

from harness.guest.steps.probe import END, FORK, advise, error_values
from harness.observe.daxprobe import ProbeReplies, integer
from harness.records import Scalar
from harness.scenario.mapping_steps import HwPoison

_READERS = ("touch_", "other_touch_", "forked_touch_")


def ask_early(step: HwPoison) -> str:
    """Who is not to be told at once has asked for it, and taken that back."""
    return "early" if step.early else "not-early"


def operations(step: HwPoison, offset: int, page: int) -> list[str]:
    """A child poisons the page; it, its parent and a later child read it, in this order."""
    this, behind = f"touch:read:{offset}:{page}:{page}", offset + page
    sharing = "shared" if step.memory == "shmem" else "private"
    return [
        "count:before",
        ask_early(step),
        f"map:{sharing}:rw:0:{step.size}",
        *([] if step.node is None else [f"bind:{step.node}"]),
        *advise(step.advice),
        f"touch:fill:0:{step.size}:{page}",
        *(FORK, f"poison:{offset}", "caught", this, END),
        *("caught", this),
        *(FORK, this, END),
        f"touch:verify:0:{offset}:{page}",
        f"touch:verify:{behind}:{max(0, step.size - behind)}:{page}",
        "count:after",
        "unmap",
    ]


def values(replies: ProbeReplies) -> dict[str, Scalar]:
    """What the replies to these operations say of the page and of the rest."""
    seen = error_values(replies.one("caught", 0))
    seen |= error_values(replies.one("caught", 1), "other_")
    for at, prefix in enumerate(_READERS, start=1):
        seen |= error_values(replies.one("touch", at), prefix)
    rest = (replies.one("touch", at) for at in (-2, -1))
    seen["intact_bytes"] = sum(integer(reply, "touched_bytes") for reply in rest)
    return seen
