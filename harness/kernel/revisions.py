"""Debian's revisions of a source package: which ones the store has, and what is said of others.

``debian:6.1`` is the newest that the mirror has, which may be another one tomorrow; the
sources of those before it stay in the store.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from harness.errors import UserError
from harness.kernel.spec import DebianSpec
from harness.store import Store


def stored_revisions(spec: DebianSpec, store: Store) -> tuple[str, ...]:
    """Revisions of a package whose source the store has, newest first."""
    found = (store.root / "source").glob(f"{spec.package}_*")
    return tuple(sorted((path.name.partition("_")[2] for path in found), key=_rank, reverse=True))


def _rank(revision: str) -> tuple[tuple[tuple[int, ...], int], ...]:
    """Sorts as dpkg does: numbers by value, letters before signs, ``~`` before the end."""

    def weight(character: str) -> int:
        return -1 if character == "~" else ord(character) + 256 * (not character.isalpha())

    parts = re.findall(r"(\D*)(\d*)", revision)
    return tuple(((*map(weight, text), 0), int(number or 0)) for text, number in parts)


def no_such_revision(spec: DebianSpec, store: Store, there: Sequence[str]) -> UserError:
    """Of a revision that neither the store nor the mirror, which has those ``there``, can give."""
    known = dict.fromkeys((*stored_revisions(spec, store), *there))
    mirror = f"has {', '.join(there)}" if there else "has none"
    return UserError(
        f"{spec.package} {spec.revision} is not in the store, and Debian's mirror {mirror}",
        hint=", ".join(str(replace(spec, revision=one)) for one in known) or None,
    )


def moved_on(spec: DebianSpec, revision: str, store: Store) -> str | None:
    """What a person should hear before a source is fetched: what it was is still there.

    None where it was nothing before, or where just this one was asked for.
    """
    before = stored_revisions(spec, store)
    if spec.revision is not None or not before:
        return None
    kept = replace(spec, revision=before[0])
    return f"{spec} is {revision} now; --kernel {kept} keeps the one before"
