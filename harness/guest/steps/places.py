"""Where a step finds the memory of a device: shell text that leaves its path in $file.

gup_test opens its file with O_CREAT: without the device it would make a plain file there,
and every later look would find one. A device of soft-reserved memory has its node in /dev
without a driver, too, which then refuses to be opened.
"""

from __future__ import annotations

from typing import Literal

from harness.scenario.step import DaxName

# Numbers are given out by ascending address, and pmem regions have theirs among them
# (memregion_alloc).
DAX_REGION = """\
# dax_region INDEX: the number of a region of soft-reserved memory in $number, and its folder in
# $hmem; fails where there is none
dax_region() {
    left=$1 number=0
    while [ $number -lt 64 ]; do
        hmem=/sys/bus/platform/devices/hmem.$number
        if [ -d $hmem/dax_region ]; then
            [ $left -ne 0 ] || return 0
            left=$((left - 1))
        fi
        number=$((number + 1))
    done
    return 1
}
"""

_DEVDAX = """\
device chardev {region} && file=/dev/$device && [ -c "$file" ] || {{ mark no-device; exit 0; }}
"""
_BLOCK = """\
device blockdev {region} && file=/dev/$device && [ -b "$file" ] || {{ mark no-device; exit 0; }}
"""
_NAMED = """\
dax_region {region} || lack 'no soft-reserved region {region}'
device=dax$number.{id}
file=/dev/$device
[ -c "$file" ] && [ -e /sys/bus/dax/drivers/device_dax/$device ] || {{ mark no-device; exit 0; }}
"""
_FSDAX = """\
file=/mnt/region{region}/file
[ -f "$file" ] || {{ mark no-device; exit 0; }}
"""


_PLACES = {"block": _BLOCK, "devdax": _DEVDAX, "fsdax": _FSDAX}


def locate(memory: Literal["block", "devdax", "fsdax"], place: int | DaxName) -> str:
    """Shell text that finds the device or file, or ends the script with ``no-device``.

    ``place`` is a pmem region, or a device of soft-reserved memory, whose name is left in
    $device.
    """
    if isinstance(place, DaxName):
        return DAX_REGION + _NAMED.format(region=place.region, id=place.id)
    return _PLACES[memory].format(region=place)


def name_device(place: int | DaxName, *, may_lack: bool = False) -> str:
    """Shell text that leaves a devdax's name in $device, whatever drives it.

    Where a region has none the guest lacks something, or ``may_lack`` one: the script then ends
    with ``no-device``.
    """
    if isinstance(place, DaxName):
        find = f"dax_region {place.region} || lack 'no soft-reserved region {place.region}'\n"
        return f"{DAX_REGION}{find}device=dax$number.{place.id}\n"
    none = f"lack 'region {place} has no devdax device'"
    if may_lack:
        none = "{ mark no-device; exit 0; }"
    return f"region {place} || lack 'no region {place}'\ndevice chardev {place} || {none}\n"
