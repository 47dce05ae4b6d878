"""Kernels under test: from a source to a built image and what is known of it unbooted."""
