"""QEMU as a process of the host: found, started frozen, spoken to, and always ended."""
