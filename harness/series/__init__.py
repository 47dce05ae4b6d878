"""Patch series: read from mails, files, quilt or git into patches that are safe to apply."""

from harness.series.intended import load_intentions
from harness.series.load import load_series
from harness.series.patch import Patch, Series

__all__ = ["Patch", "Series", "load_intentions", "load_series"]
