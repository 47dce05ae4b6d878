"""GitHub's runner, as far as .github/workflows/nightly.yml needs it, on this machine.

Every ``run:`` is run as it stands, by ``bash -e``, in a workspace of its job's own; actions are
replaced by what they do to files. ``./setup.sh`` is not run: what it sets up, this test was
started from.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import yaml

from tests.support.checkout import copy_checkout

_EXPRESSION = re.compile(r"\$\{\{(.*?)\}\}")
_NAME = re.compile(r"'[^']*'|[a-zA-Z_][\w-]*(?:\.[\w-]+)+")


@dataclass
class Runner:
    """Runs a workflow's jobs in their order; artifacts and caches stay from night to night.

    ``prepare`` is called with each job's name and workspace, and gives its environment.
    """

    folder: Path
    prepare: Any
    inputs: Mapping[str, str]
    run_id: int = 0
    summary: str = ""
    output: str = ""
    results: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)

    def run(self, workflow: Path) -> None:
        """All jobs; ``results`` and ``summary`` are this run's alone."""
        self.run_id += 1
        self.summary, self.output, self.results, self.outputs = "", "", {}, {}
        shutil.rmtree(self.folder / "artifacts", ignore_errors=True)
        for name, job in yaml.safe_load(workflow.read_text())["jobs"].items():
            self._job(name, job)

    def _job(self, name: str, job: dict[str, Any]) -> None:
        needs = [job["needs"]] if isinstance(job.get("needs"), str) else job.get("needs", [])
        healthy = all(self.results[need] == "success" for need in needs)
        if not (self._value(job["if"], {}) if "if" in job else healthy):
            self.results[name] = "skipped"
            return
        matrix = self._value(job["strategy"]["matrix"], {}) if "strategy" in job else None
        cells = matrix["include"] if matrix else [{}]
        done = [self._run_steps(f"{name}-{i}", name, job, cell) for i, cell in enumerate(cells)]
        self.results[name] = "success" if all(done) else "failure"

    def _run_steps(self, folder: str, name: str, job: dict[str, Any], cell: Any) -> bool:
        workspace = self.folder / f"night-{self.run_id}" / folder
        context: dict[str, Any] = {"matrix": cell, "steps": {}}
        environment: dict[str, str] = self.prepare(name, workspace)
        healthy = True
        for step in job["steps"]:
            wanted = self._value(step["if"], context) if "if" in step else healthy
            if wanted:
                healthy &= self._step(step, workspace, context, environment)
        for key, text in job.get("outputs", {}).items():
            self.outputs.setdefault(name, {})[key] = self._value(text, context)
        return healthy

    def _step(
        self, step: Any, workspace: Path, context: dict[str, Any], environment: dict[str, str]
    ) -> bool:
        if "uses" in step:
            options = {k: self._value(v, context) for k, v in step.get("with", {}).items()}
            return self._action(step["uses"].split("@")[0], options, workspace)
        if step["run"] == "./setup.sh":
            return os.access(workspace / "setup.sh", os.X_OK)
        told = workspace / "github-output", workspace / "github-summary"
        done = subprocess.run(
            ["bash", "-e", "-c", step["run"]],
            cwd=workspace,
            env={
                **environment,
                **{k: str(self._value(v, context)) for k, v in step.get("env", {}).items()},
                "GITHUB_OUTPUT": str(told[0]),
                "GITHUB_STEP_SUMMARY": str(told[1]),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        self.output += done.stdout
        if told[0].exists():
            lines = dict(line.split("=", 1) for line in told[0].read_text().splitlines())
            context["steps"][step["id"]] = {"outputs": lines}
        if told[1].exists():
            self.summary += told[1].read_text()
            told[1].unlink()
        return done.returncode == 0

    def _action(self, action: str, options: Mapping[str, Any], workspace: Path) -> bool:
        match action:
            case "actions/checkout":
                copy_checkout(workspace)
                (workspace / ".venv").symlink_to(sys.prefix)
            case "actions/upload-artifact":
                return _copy(workspace / options["path"], self._artifact(options["name"]))
            case "actions/download-artifact":
                into = workspace / options["path"]
                for artifact in self._artifacts(options["pattern"]):
                    _copy(artifact, into if options.get("merge-multiple") else into / artifact.name)
            case "actions/cache/restore":
                last = self.folder / "caches" / options["restore-keys"].rstrip("-")
                _copy(last, workspace / options["path"])
            case "actions/cache/save":
                into = self.folder / "caches" / options["key"].rpartition("-")[0]
                shutil.rmtree(into, ignore_errors=True)
                return _copy(workspace / options["path"], into)
            case _:
                raise NotImplementedError(action)
        return True

    def _artifact(self, name: str) -> Path:
        return self.folder / "artifacts" / name

    def _artifacts(self, pattern: str) -> Iterator[Path]:
        found = sorted((self.folder / "artifacts").iterdir())
        return (path for path in found if fnmatch(path.name, pattern))

    def _value(self, text: Any, context: Mapping[str, Any]) -> Any:
        """A value with its expressions put in; one that is nothing else keeps its type."""
        if not isinstance(text, str):
            return text
        if whole := re.fullmatch(_EXPRESSION, text.strip()):
            return self._evaluate(whole[1], context)
        return _EXPRESSION.sub(lambda m: str(self._evaluate(m[1], context)), text)

    def _evaluate(self, expression: str, context: Mapping[str, Any]) -> Any:
        known = {
            **context,
            "inputs": self.inputs,
            "github": {"run_id": self.run_id},
            "needs": {
                name: {"result": result, "outputs": self.outputs.get(name, {})}
                for name, result in self.results.items()
            },
        }

        def find(match: re.Match[str]) -> str:
            if match[0].startswith("'"):
                return match[0]
            value: Any = known
            for name in match[0].split("."):
                value = value.get(name, "")
            return repr(value)

        source = _NAME.sub(find, expression.replace("!cancelled()", "True"))
        source = source.replace("&&", " and ").replace("||", " or ").strip()
        return eval(source, {"__builtins__": {}}, {"fromJSON": json.loads})


def _copy(source: Path, into: Path) -> bool:
    """A folder's content, or one file, into a folder; whether there is anything."""
    if source.is_dir():
        shutil.copytree(source, into, dirs_exist_ok=True)
        return any(into.iterdir())
    if source.is_file():
        into.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, into)
    return source.exists()
