"""Criteria and their results as English sentences."""
