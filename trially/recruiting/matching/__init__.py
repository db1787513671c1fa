"""Matching: which patients fit which studies, and why."""
