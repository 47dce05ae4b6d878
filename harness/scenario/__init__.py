"""Scenarios: what a YAML document may say, and the cells that it expands to."""
