"""Fault trials: a run of the harness is harmed at a random moment, and then looked at.

What is harmed is real: QEMU, the guest's kernel, the disk, the store, the harness' own
processes. A trial fails where the verdict blames the wrong side, a finished cell is not in
run.json, anything is left on the host, or the harness grew beyond its bound.
"""
