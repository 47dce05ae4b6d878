"""Signals by name, real-time ones included, which Python's own list has no names for."""

from __future__ import annotations

import signal


def signal_name(number: int) -> str:
    """``SIGBUS``, ``SIGRTMIN+1``; the number itself where it is no signal's."""
    try:
        return signal.Signals(number).name
    except ValueError:
        pass
    if signal.SIGRTMIN < number < signal.SIGRTMAX:
        return f"{signal.SIGRTMIN.name}+{number - signal.SIGRTMIN}"
    return str(number)


def is_signal(number: int) -> bool:
    """Whether a number is a signal's."""
    return number in signal.valid_signals()
