"""Where the folios of a device-dax lie: not always where the entries that map it do.

The kernel makes compounds from the first struct page that it initialises: with map=dev that
of the first page of data, with map=mem that of the namespace's start, which need not be a
multiple of the alignment. Source: mm/mm_init.c, memmap_init_zone_device.
"""

from __future__ import annotations

from harness.model.geometry import Span
from harness.model.state import Devdax
from harness.units import align_up


def folio_at(device: Devdax, offset: int) -> Span:
    """The folio that holds a byte of the device, as bytes from where its data starts.

    Negative where it begins before the data.
    """
    before = before_data(device)
    start = (offset + before) // device.align * device.align - before
    return Span(start, start + device.align)


def before_data(device: Devdax) -> int:
    """Bytes of the first folio with data that lie before it; 0 where entries are folios."""
    if device.map == "dev":
        return 0
    return (device.data[0].start - device.start) % device.align


def entry_of_folio(device: Devdax, offset: int) -> int:
    """Where the entry starts by which the kernel finds the folio of a byte, in the same bytes.

    A folio gets mapping and index by the fault that maps the first page of it that an entry
    begins with (drivers/dax/device.c, dax_set_mapping).
    """
    return align_up(folio_at(device, offset).start, device.align)
