"""Error numbers by name, from the words that the guest's C library has for them.

The host's errno table is not asked: the guest's words are glibc's and busybox's in the C
locale, whatever the host's are.
"""

from __future__ import annotations

import re

# Linux's numbers below 96 that are the same on all five targets, and glibc's words.
_ERRORS = (
    (1, "EPERM", "Operation not permitted"),
    (2, "ENOENT", "No such file or directory"),
    (4, "EINTR", "Interrupted system call"),
    (5, "EIO", "Input/output error"),
    (5, "EIO", "I/O error"),  # busybox
    (6, "ENXIO", "No such device or address"),
    (7, "E2BIG", "Argument list too long"),
    (9, "EBADF", "Bad file descriptor"),
    (11, "EAGAIN", "Resource temporarily unavailable"),
    (12, "ENOMEM", "Cannot allocate memory"),
    (13, "EACCES", "Permission denied"),
    (14, "EFAULT", "Bad address"),
    (16, "EBUSY", "Device or resource busy"),
    (17, "EEXIST", "File exists"),
    (19, "ENODEV", "No such device"),
    (20, "ENOTDIR", "Not a directory"),
    (22, "EINVAL", "Invalid argument"),
    (25, "ENOTTY", "Inappropriate ioctl for device"),
    (27, "EFBIG", "File too large"),
    (28, "ENOSPC", "No space left on device"),
    (30, "EROFS", "Read-only file system"),
    (33, "EDOM", "Numerical argument out of domain"),
    (34, "ERANGE", "Numerical result out of range"),
    (38, "ENOSYS", "Function not implemented"),
    (61, "ENODATA", "No data available"),
    (75, "EOVERFLOW", "Value too large for defined data type"),
    (95, "EOPNOTSUPP", "Operation not supported"),
)
_BY_NUMBER = {number: name for number, name, _ in _ERRORS}
_BY_WORDS = {words: name for _, name, words in _ERRORS}
_WORDS = re.compile(
    "|".join(re.escape(words) for words in sorted(_BY_WORDS, key=len, reverse=True))
)


def find_errno(message: str) -> str | None:
    """The name of the last error that a message words, as in ``mmap: Invalid argument``."""
    found = _WORDS.findall(message)
    return _BY_WORDS[found[-1]] if found else None


def errno_name(number: int) -> str | None:
    """The name of an error number; None for one that is none of the usual."""
    return _BY_NUMBER.get(number)
