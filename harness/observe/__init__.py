"""Readers of what a guest shows: text in, records out; they know nothing of predictions."""
