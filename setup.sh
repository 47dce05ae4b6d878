#!/bin/sh
# Sets up everything that daxhound needs on a Debian host: Python and a virtual
# environment in .venv, then the packages that `daxhound doctor` finds missing.
# Run again, it does nothing that is already done.
set -eu
cd "$(dirname "$0")"

say() { printf 'setup: %s\n' "$*"; }

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"
    elif command -v sudo >/dev/null 2>&1; then sudo "$@"
    else say "needs root or sudo for: $*" >&2; exit 4
    fi
}

usable_python() {
    for candidate in "${PYTHON:-python3}" python3.13 python3.12 python3.11 /usr/bin/python3; do
        if command -v "$candidate" >/dev/null 2>&1 && "$candidate" -c '
import sys, ensurepip, venv
sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
            echo "$candidate"
            return
        fi
    done
}

python=$(usable_python)
if [ -z "$python" ]; then
    say "installing python3 python3-venv ca-certificates"
    as_root apt-get -qq update
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends \
        python3 python3-venv ca-certificates >/dev/null
    python=$(usable_python)
fi
if [ -z "$python" ]; then
    say "no Python 3.11 or newer found; set PYTHON=/path/to/one" >&2
    exit 4
fi

# Programs in .venv name the folder and the Python that they were installed with: a checkout that
# was moved or copied would run the other one's code.
is_ours() {
    head -n 3 .venv/bin/daxhound 2>/dev/null | grep -qF "$(pwd -P)/.venv/bin/python" &&
        .venv/bin/python -c 'import pydantic' 2>/dev/null
}

stamp=.venv/.daxhound-setup
wanted=$(cat pyproject.toml setup.sh | sha256sum)
clear=
is_ours || clear=--clear
if [ -n "$clear" ] || [ ! -f "$stamp" ] || [ "$(cat "$stamp")" != "$wanted" ]; then
    say "installing the Python packages of pyproject.toml into .venv"
    "$python" -m venv $clear .venv
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[test]'
    echo "$wanted" >"$stamp"
fi

.venv/bin/daxhound doctor --install
