"""Figures of docs/performance.md, each against a peer or a limit: make bench."""
