"""Matches: the patients whom the criteria of a study select, and why."""
