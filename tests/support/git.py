"""git as the author of a small tree uses it, whatever the machine's own settings."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from harness.git import own_environment


def git(tree: Path, *arguments: str, author: str = "t <t@example.org>") -> str:
    """What one command printed. Raises CalledProcessError."""
    name, address = author.rstrip(">").split(" <")
    done = subprocess.run(
        ("git", "-C", tree, "-c", f"user.name={name}", "-c", f"user.email={address}", *arguments),
        check=True,
        capture_output=True,
        text=True,
        env=own_environment() | {"GIT_CONFIG_GLOBAL": os.devnull},
    )
    return done.stdout.strip()
