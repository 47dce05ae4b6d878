"""A patched source by the name of its base: fetched, patched, and told where that cannot be."""

from __future__ import annotations

from collections.abc import Sequence

from harness.kernel.nearest_base import find_nearest_base
from harness.kernel.patched import PatchedSource, RefusedError, patch_source
from harness.kernel.source import provide_source
from harness.kernel.spec import KernelSpec
from harness.progress import Progress
from harness.series.patch import Patch
from harness.store import Store


def provide_patched(
    spec: KernelSpec, patches: Sequence[Patch], store: Store, progress: Progress
) -> PatchedSource:
    """The source that a spec names, with the patches on it; nothing is built.

    Raises RefusedError with a base that takes them, where one is found, and what
    ``provide_source`` raises.
    """
    base = provide_source(spec, store, progress)
    try:
        return patch_source(base, patches)
    except RefusedError as exc:
        nearest = find_nearest_base(spec, patches, store)
        hint = f"--kernel {nearest}, which takes all of it" if nearest else None
        raise RefusedError(exc.patch, exc.refusal, str(spec), hint) from exc
