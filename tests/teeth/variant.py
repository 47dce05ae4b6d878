"""One mistake of the model."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Variant:
    """One mistake: what is wrong, the rules whose values it breaks, and how to make it."""

    mistake: str
    rules: tuple[str, ...]
    apply: Callable[[], AbstractContextManager[Any]]
