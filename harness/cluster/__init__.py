"""Cells on the machines of a Dask cluster: guests run there, results are kept here.

The one who starts a run builds kernels and images, and sends them to a worker that has not
got them. Dask decides which worker runs what, and what becomes of a lost worker's work.

``chunks``, ``host``, ``parcel``, ``folder`` and ``cells`` know nothing of Dask. It is imported
by ``link`` (what both sides say), ``worker`` (the one side), ``agent`` and ``runner`` (the
other), and they by whoever asked for a cluster.
"""
