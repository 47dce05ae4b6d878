"""Debian's packages by the host's own apt, without root and without touching the host's."""
