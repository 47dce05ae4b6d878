"""Tests of what holds in the build's sandbox alone."""

from __future__ import annotations

import pytest

from harness.kernel.sandbox import why_not

needs_sandbox = pytest.mark.skipif(
    why_not() is not None, reason=f"no sandbox on this host: {why_not()}"
)
