"""Patch series: read from mails, files, quilt or git into patches that are safe to apply."""
