"""The formats of ``daxhound report``, by name."""

from __future__ import annotations

from collections.abc import Callable

from harness.report.github import render_github
from harness.report.html import render_html
from harness.report.junit import render_junit
from harness.report.kcidb import render_kcidb
from harness.report.ktap import render_ktap
from harness.report.mail import render_mail
from harness.report.material import Material

FORMATS: dict[str, Callable[[Material], str]] = {
    "html": render_html,
    "text": render_mail,
    "junit": render_junit,
    "ktap": render_ktap,
    "kcidb": render_kcidb,
    "github": render_github,
}
