"""setup.sh with a Python that installs nothing: what it does again, and what it does not."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# Makes an environment as venv and pip do, as far as setup.sh sees: programs that name its folder.
PYTHON = """\
#!/bin/sh
case "$*" in
"-m venv "*)
    for folder; do :; done
    [ "$3" != --clear ] || rm -rf "$folder"
    mkdir -p "$folder/bin"
    cp "$0" "$folder/bin/python"
    echo "$*" >>"$LOG" ;;
"-m pip "*)
    echo "pip" >>"$LOG"
    folder=$(dirname "$0")
    printf '#!%s/python\\necho "$0 $*" >>"$LOG"\\n' "$(pwd -P)/$folder" >"$folder/daxhound"
    sed -i '1s,.*,#!/bin/sh\\n# &,' "$folder/daxhound"
    chmod +x "$folder/daxhound" ;;
"-c import pydantic") [ ! -e "$(dirname "$0")/broken" ] ;;
*) exec @REAL@ "$@" ;;
esac
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "first"
    folder.mkdir()
    for name in ("setup.sh", "pyproject.toml"):
        shutil.copy2(ROOT / name, folder / name)
    python = tmp_path / "python"
    python.write_text(PYTHON.replace("@REAL@", sys.executable))
    python.chmod(0o755)
    return folder


def set_up(checkout: Path) -> list[str]:
    """What was done of it."""
    log = checkout.parent / "log"
    log.write_text("")
    environment = {**os.environ, "PYTHON": str(checkout.parent / "python"), "LOG": str(log)}
    subprocess.run(["./setup.sh"], cwd=checkout, env=environment, check=True, capture_output=True)
    return log.read_text().splitlines()


DOCTOR = ".venv/bin/daxhound doctor --install"


def test_what_is_done_is_not_done_again(checkout: Path) -> None:
    assert set_up(checkout) == ["-m venv --clear .venv", "pip", DOCTOR]
    assert set_up(checkout) == [DOCTOR]
    with (checkout / "pyproject.toml").open("a") as file:
        file.write("# another\n")
    assert set_up(checkout) == ["-m venv .venv", "pip", DOCTOR]


def test_a_checkout_that_was_copied_gets_an_environment_of_its_own(checkout: Path) -> None:
    """Else its programs would be the other checkout's, and run that one's code."""
    set_up(checkout)
    shutil.copytree(checkout, checkout.with_name("second"))
    assert set_up(checkout.with_name("second")) == ["-m venv --clear .venv", "pip", DOCTOR]
    assert set_up(checkout.with_name("second")) == [DOCTOR]


def test_an_environment_whose_packages_are_gone_is_made_anew(checkout: Path) -> None:
    """As where Debian's next Python looks for them elsewhere."""
    set_up(checkout)
    (checkout / ".venv/bin/broken").touch()
    assert set_up(checkout) == ["-m venv --clear .venv", "pip", DOCTOR]
