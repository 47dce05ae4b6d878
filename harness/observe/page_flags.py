"""/proc/kpageflags: what the kernel tells of one page, by its frame."""

from __future__ import annotations

# KPF_NOPAGE of include/uapi/linux/kernel-page-flags.h: there is no page, or none that is online.
_NO_PAGE = 1 << 20


def read_page_flags(text: str) -> str:
    """``page`` or ``no-page`` by one entry as od(1) prints it in hexadecimal.

    ``nothing`` where there is none: the file ends with what the kernel takes for the end of
    memory (fs/proc/page.c, kpageflags_read).
    """
    words = text.split()
    if not words:
        return "nothing"
    return "no-page" if int(words[0], 16) & _NO_PAGE else "page"
