"""Mistakes about persistence and the order of life."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from unittest import mock

from harness.model import data, life, memmap, power
from harness.records import Expected, Scalar
from tests.teeth.wrong import Variant, around, fewer, instead


def _other(*names: str) -> Callable[[tuple[Expected, ...]], tuple[Expected, ...]]:
    """Some values, and none of them right: true for false, or nothing for something."""

    def change(found: tuple[Expected, ...]) -> tuple[Expected, ...]:
        return tuple(replace(e, value=_wrong(e)) if e.name in names else e for e in found)

    return change


def _wrong(expected: Expected) -> Scalar:
    value = expected.value
    return not value if isinstance(value, bool) else ("nothing of it" if value is None else None)


LIFE_VARIANTS = (
    Variant(
        "every namespace comes back raw",
        ("power.namespaces", "label.other-index"),
        around(power, "expect_created", _other("mode")),
    ),
    Variant(
        "at boot no info block's pages are initialised",
        ("power.memmap",),
        lambda: mock.patch(
            "harness.model.power.expect_initialised",
            lambda *a: fewer(memmap.expect_initialised(*a)),
        ),
    ),
    Variant(
        "the kernel complains of no index block",
        ("label.checked",),
        instead(power, "_BROKEN", dict.fromkeys(power._BROKEN, ())),
    ),
    Variant(
        "both index blocks are needed",
        ("label.other-index",),
        instead(
            power,
            "_BROKEN",
            {part: (0, 1) if found else () for part, found in power._BROKEN.items()},
        ),
    ),
    Variant(
        "labels outlive their index",
        ("label.lost",),
        instead(power, "_lose_labels", lambda *_: None),
    ),
    Variant(
        "what is stored is not what is read",
        ("data.mapped", "data.kept", "block.write-read"),
        around(data, "_expect", _other("outcome")),
    ),
    Variant(
        "a device stays mapped when it is disabled",
        ("life.device-gone",),
        around(life, "_of_device", _other("signal", "code")),
    ),
    Variant(
        "a device comes back otherwise",
        ("life.enabled-again",),
        around(life, "_of_device", _other("restored_bytes")),
    ),
    Variant(
        "writes go on when their device has gone",
        ("life.io-fails",),
        around(life, "_of_block", _other("write_failed")),
    ),
    Variant(
        "a mounted namespace is disabled",
        ("life.mounted", "life.truncated"),
        around(life, "_of_file", _other("outcome")),
    ),
    Variant(
        "who takes away waits for mappings, and not for pages",
        ("life.waits", "life.nothing-held"),
        around(life, "_expect_held", _other("waited")),
    ),
    Variant(
        "nothing is held by a pipe",
        ("life.held",),
        around(life, "_expect_held", _other("held_pages")),
    ),
    Variant(
        "a device is not disabled while pages of it are held",
        ("defect.pages-outlived",),
        lambda: mock.patch("harness.model.complaints.outlives_pages", return_value=False),
    ),
)
