"""Inspect an archive: defects, duplicates and statistics."""
