"""The step about a kernel's configuration, which needs no guest."""

from __future__ import annotations

from typing import Annotated, ClassVar

import pydantic

from harness.scenario.step import Step


class Kconfig(Step):
    """Resolve the kernel's configuration by its own Kconfig; nothing is built or booted.

    ``ask`` names fragments that are asked for beyond the target's own and need not take,
    ``symbols`` what is looked at. A scenario with this step has no steps of other kinds.

    Shows each symbol by its name: ``y``, ``n`` where it is not set, or its value.
    """

    kind: ClassVar[str] = "kconfig"
    needs_guest: ClassVar[bool] = False
    ask: tuple[str, ...] = ()
    symbols: Annotated[tuple[str, ...], pydantic.Field(min_length=1)]
