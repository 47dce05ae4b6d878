"""The rules of dynamic dax regions: soft-reserved memory, and the devices made of it."""

from __future__ import annotations

from harness.records import Rule

_BUS = "Linux drivers/dax/bus.c"
_DAXCTL = "ndctl daxctl/device.c"

DAX_RULES: tuple[Rule, ...] = (
    Rule(
        "dyn.none",
        "Without soft-reserved memory there is no dynamic dax region.",
        "Linux drivers/dax/hmem/device.c hmem_register_one",
    ),
    Rule(
        "dyn.region",
        "Each range of soft-reserved memory is one region, whose devices are aligned to a PMD.",
        "Linux arch/x86/kernel/e820.c parse_memmap_one; drivers/dax/hmem/hmem.c dax_hmem_probe",
    ),
    Rule(
        "dyn.idle",
        "With dax_hmem.region_idle=1 a region starts with one device of no size, which no driver"
        " takes and which is no seed.",
        "Linux drivers/dax/hmem/hmem.c dax_hmem_probe",
    ),
    Rule(
        "dyn.whole",
        "Without it the first device has all of the region; kmem takes it from 6.3 on, device_dax"
        " before.",
        "Linux drivers/dax/hmem/hmem.c dax_hmem_probe (IORESOURCE_DAX_KMEM)",
    ),
    Rule(
        "dyn.node",
        "A region belongs to the node that the firmware's table of memory names for its start."
        " Without a table all up to the end of RAM is node 0, soft-reserved memory above the last"
        " RAM is on none, and no file says so.",
        "Linux arch/x86/mm/numa.c phys_to_target_node, dummy_numa_init; drivers/dax/bus.c"
        " dev_dax_visible",
    ),
    Rule(
        "dyn.available",
        "What no device has is available, wherever it lies.",
        f"{_BUS} dax_region_avail_size",
    ),
    Rule(
        "dyn.ids",
        "A new device gets the lowest id that is free.",
        f"{_BUS} alloc_dev_dax_id",
    ),
    Rule(
        "dyn.seed",
        "The seed is the first device that was made and that no driver has taken since. daxctl"
        " goes on with the seed: with an older device where one was left without a driver.",
        f"{_BUS} create_store, dax_bus_probe; {_DAXCTL} do_create",
    ),
    Rule(
        "dyn.created",
        "A device that is made, sized and given to device_dax is there, with the size and the"
        " alignment that were asked for; all that is free, and the region's, without.",
        f"{_DAXCTL} do_create; {_BUS} size_store, align_store",
    ),
    Rule(
        "dyn.first-fit",
        "Space comes from the lowest free addresses. It makes the device's last range longer"
        " where that ends there, and is a range of its own elsewhere.",
        f"{_BUS} dev_dax_resize, adjust_ok, alloc_dev_dax_range",
    ),
    Rule(
        "dyn.offsets",
        "Ranges follow each other in the device in the order in which they came, whatever their"
        " addresses.",
        f"{_BUS} alloc_dev_dax_range (pgoff)",
    ),
    Rule(
        "dyn.shrink",
        "A device loses space from the end of its last range on.",
        f"{_BUS} dev_dax_shrink",
    ),
    Rule(
        "dyn.no-space",
        "More than is available is refused with ENOSPC; so is a device in a region that is full.",
        f"{_BUS} dev_dax_resize, create_store",
    ),
    Rule(
        "dyn.size-align",
        "A size that is no multiple of the device's alignment, and of a subsection (2M), is"
        " refused with EINVAL.",
        f"{_BUS} size_store, alloc_is_aligned",
    ),
    Rule(
        "dyn.align",
        "An alignment is a page, a PMD or a PUD, as the architecture maps them, that all ranges"
        " are multiples of: EINVAL for others.",
        f"{_BUS} align_store, dev_dax_validate_align; drivers/dax/dax-private.h dax_align_valid",
    ),
    Rule(
        "dyn.busy",
        "A device that a driver has, device_dax or kmem, is not resized or aligned anew: EBUSY.",
        f"{_BUS} dev_dax_resize, align_store",
    ),
    Rule(
        "dyn.destroyed",
        "A device that is destroyed gives its space back and is gone.",
        f"{_DAXCTL} dev_destroy; {_BUS} delete_store",
    ),
    Rule(
        "dyn.first-stays",
        "Device 0 loses its space, but stays: EBUSY.",
        f"{_BUS} delete_store",
    ),
    Rule(
        "dyn.static",
        "A static region, a pmem namespace's, has no files to make devices by, and its device"
        " none to write a size to: ENOENT and EACCES.",
        f"{_BUS} dax_region_visible, dev_dax_visible",
    ),
    Rule(
        "dyn.daxctl-errno",
        "daxctl makes ENOSPC of whatever keeps a device from being made, ENXIO of a refused size"
        " or alignment.",
        f"{_DAXCTL} do_create; ndctl daxctl/lib/libdaxctl.c daxctl_dev_set_size",
    ),
    Rule(
        "dyn.daxctl-active",
        "daxctl does not destroy a device that has a driver unless it is forced to: ENXIO.",
        f"{_DAXCTL} dev_destroy",
    ),
    Rule(
        "dyn.initialised",
        "Every page of every range is initialised: there is no info block and no altmap.",
        "Linux drivers/dax/device.c dev_dax_probe; mm/memremap.c memremap_pages",
    ),
)
