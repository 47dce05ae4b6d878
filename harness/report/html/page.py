"""The page put together: template, style, scripts and data in one file.

The list of cells is plain JSON, read at once; each cell's story is compressed on its own
and unpacked when it is opened, so that a page of thousands of cells opens as fast as a
small one. A Content-Security-Policy names the hashes of the page's own style and script:
nothing that a guest printed can become either, and nothing is loaded from anywhere.
"""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from harness import __version__
from harness.report.findings import WORDS
from harness.report.html.payload import detail_to_json, finding_to_json, index_to_json
from harness.report.material import Material
from harness.report.measurements import measure
from harness.report.story import read_story
from harness.report.summary import describe_earlier, headline, name_kernels, verdict_counts
from harness.units import count

_HERE = Path(__file__).parent
_SCRIPTS = ("dom", "data", "filter", "matrix", "console", "detail", "plot", "main")


def render_html(material: Material) -> str:
    """The page, complete."""
    run, findings = material.run, material.findings
    details: list[str] = []
    measured: list[Any] = []
    rules: dict[str, tuple[str, str]] = {}
    for cell in run.cells:
        story = read_story(cell)
        details.append(_pack(detail_to_json(story, material.base)))
        measured.append(measure(story.steps))
        for step in story.steps:
            for expected in step.prediction.expected:
                rules[expected.rule.id] = expected.rule.statement, expected.rule.source
    index = index_to_json(run, findings, measured, rules)
    style = _text("style.css")
    script = "\n".join(_wrapped())
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            title=headline(run, findings),
            run=run,
            kernels=list(name_kernels(run)),
            counts=verdict_counts(run),
            compared=sum(cell.entry.compared for cell in run.cells),
            nr_rules=len({rule for cell in run.cells for rule in cell.entry.rules}),
            findings=[finding_to_json(run, finding) for finding in findings],
            words=WORDS,
            count=count,
            difference=material.difference,
            earlier=list(describe_earlier(run, material.difference) if material.difference else ()),
            version=__version__,
            style=Markup(style),
            script=Markup(script),
            style_hash=_hash(style),
            script_hash=_hash(script),
            index=Markup(_embedded(index)),
            details=details,
        )
    )


def _wrapped() -> Iterator[str]:
    """The scripts as one, in a scope of their own."""
    yield '(() => {\n"use strict";'
    for name in _SCRIPTS:
        yield _text(f"{name}.js")
    yield "})();"


def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _text(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _embedded(data: Any) -> str:
    """JSON that cannot end the script element it stands in."""
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _pack(data: Any) -> str:
    """zlib's format (the browser's ``deflate``) in base64: harmless in any element."""
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False)
    return base64.b64encode(zlib.compress(text.encode("utf-8", "replace"), 6)).decode()
