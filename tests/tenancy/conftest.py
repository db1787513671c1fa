"""Fixtures of several files."""

from fleets import fleet

__all__ = ["fleet"]
