"""A plan as each CI reads it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import jinja2

from harness.plan.matrix import Plan

_TEMPLATE = "gitlab.yml.j2"


def render_json(plan: Plan) -> str:
    """One document."""
    return json.dumps(asdict(plan), indent=1) + "\n"


def render_github(plan: Plan) -> str:
    """Lines for ``$GITHUB_OUTPUT``: two matrices, to be read by ``fromJSON``."""
    jobs = asdict(plan)
    return "".join(
        f"{name}={json.dumps({'include': list(jobs[name])})}\n" for name in ("builds", "shards")
    )


def render_gitlab(plan: Plan) -> str:
    """A child pipeline, with all that its jobs do."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # YAML; every value is put in as JSON
    )
    environment.filters["json"] = json.dumps
    return environment.get_template(_TEMPLATE).render(plan=plan)


FORMATS: dict[str, Callable[[Plan], str]] = {
    "github": render_github,
    "gitlab": render_gitlab,
    "json": render_json,
}
