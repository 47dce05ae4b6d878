"""What a patched kernel is held to: all that its base had, and what the patches bring.

The model predicts from what a kernel was seen to have. Were that the patched kernel alone, a
patch that takes something away would change the prediction as well, and hide itself. Every
probe is worded so that yes is the later state, a symbol that is on is a feature, and a
struct page of another size than a power of two shares none: so of each of these the better
answer counts, the base's or the kernel's own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from harness.kernel.probes import PROBES
from harness.records import KernelFacts


def hold_to_base(own: KernelFacts, base: KernelFacts) -> KernelFacts:
    """A patched kernel's facts for predicting it; ``lost`` says what only its base has.

    Constants are the kernel's own: they say nothing about better or worse.
    """
    had = {name: answer for name, answer in base.probes.items() if isinstance(answer, bool)}
    yes = {name: True for name, answer in had.items() if answer}
    on = {name: "y" for name in base.config if base.has(name)}
    shares = _may_share(own.struct_page_bytes) or not _may_share(base.struct_page_bytes)
    return replace(
        own,
        probes={**had, **own.probes, **yes},
        config={**on, **own.config},
        struct_page_bytes=own.struct_page_bytes if shares else base.struct_page_bytes,
        lost=tuple(_lost(own, base)),
    )


def _lost(own: KernelFacts, base: KernelFacts) -> Iterator[str]:
    for name, answer in sorted(base.probes.items()):
        if answer is True and own.probes.get(name) is not True:
            yield f"{name}: {_statement(name)}"
    if _may_share(base.struct_page_bytes) and not _may_share(own.struct_page_bytes):
        sizes = f"{base.struct_page_bytes}, is {own.struct_page_bytes}"
        yield f"sizeof(struct page) was {sizes}: no power of two shares no struct pages"
    for name in sorted(base.config):
        if base.has(name) and name not in own.config:
            yield f"CONFIG_{name}"


def _may_share(struct_page_bytes: int) -> bool:
    return not struct_page_bytes & (struct_page_bytes - 1)


def _statement(name: str) -> str:
    """What the question is, as what it was answered with."""
    if name not in PROBES:
        return "it was built"
    said = " ".join((PROBES[name].__doc__ or "").split("\n\n")[0].split())
    return said.removeprefix("Whether ").removesuffix(".")
