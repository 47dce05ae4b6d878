"""daxhound: run kernel patch series against QEMU guests and a model of what must happen."""

__version__ = "0.1.0"
