"""Files that are written whole or not at all, whoever reads or writes them meanwhile."""

from __future__ import annotations

import secrets
from pathlib import Path


def write_whole(path: Path, content: bytes) -> None:
    """Put ``content`` in the place of ``path``, its folder made where needed. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not by tempfile, whose files only their owner may read: reports are for others as well.
    new = path.with_name(f".new-{secrets.token_hex(8)}")
    try:
        with new.open("xb") as file:
            file.write(content)
        new.replace(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
