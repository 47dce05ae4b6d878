"""One HTML file of a run: it asks no network for anything and shows hostile text as text."""

from __future__ import annotations

from harness.report.html.page import render_html

__all__ = ["render_html"]
