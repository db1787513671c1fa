"""Types of the fixtures of owners and workers."""

from collections.abc import Callable

from members import Member

from trially.tenancy.catalog_choices import Tier

RunJobs = Callable[[], int]
"""Runs all jobs that are due, lets the app read what they published, and returns their number."""

OwnerIn = Callable[[Tier], Member]
"""Returns the owner of a new tenant of a tier."""
