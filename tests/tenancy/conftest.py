"""Fixtures of several files."""

from fleets import fleet
from operator_records import Records, records

__all__ = ["Records", "fleet", "records"]
