"""Makes every YAML file of this folder a test file: one item a cell."""

from harness.plugin import collect_scenarios as pytest_collect_file

__all__ = ["pytest_collect_file"]
