"""The guest's root: packages, init, the kernel's own tools, and one initrd of them all."""

from harness.image.firmware import provide_firmware
from harness.image.initrd import compose_initrd, dropbear_host_key, run_archive
from harness.image.overlay import provide_overlay
from harness.image.programs import EXTRA_PROGRAMS, provide_daxprobe, provide_init
from harness.image.root import provide_base_image

__all__ = [
    "EXTRA_PROGRAMS",
    "compose_initrd",
    "dropbear_host_key",
    "provide_base_image",
    "provide_daxprobe",
    "provide_firmware",
    "provide_init",
    "provide_overlay",
    "run_archive",
]
