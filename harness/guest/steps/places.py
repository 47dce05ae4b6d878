"""Where a step finds the memory of a region: shell text that leaves its path in $file.

gup_test opens its file with O_CREAT: without the device it would make a plain file there,
and every later look would find one.
"""

from __future__ import annotations

from typing import Literal

_DEVDAX = """\
device chardev {region} && file=/dev/$device && [ -c "$file" ] || {{ mark no-device; exit 0; }}
"""
_BLOCK = """\
device blockdev {region} && file=/dev/$device && [ -b "$file" ] || {{ mark no-device; exit 0; }}
"""
_FSDAX = """\
file=/mnt/region{region}/file
[ -f "$file" ] || {{ mark no-device; exit 0; }}
"""


_PLACES = {"block": _BLOCK, "devdax": _DEVDAX, "fsdax": _FSDAX}


def locate(memory: Literal["block", "devdax", "fsdax"], region: int) -> str:
    """Shell text that finds the device or file, or ends the script with ``no-device``."""
    return _PLACES[memory].format(region=region)
