"""What a crash that somebody else saw is, and which shipped scenario may show it here."""

from harness.triage.finding import Finding, find_reports
from harness.triage.render import render_json, render_text
from harness.triage.suggest import Suggestion, load_hints, suggest

__all__ = [
    "Finding",
    "Suggestion",
    "find_reports",
    "load_hints",
    "render_json",
    "render_text",
    "suggest",
]
