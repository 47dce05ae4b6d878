"""A guest, from power-on to power-off: its console, its shell, and the steps run in it."""
