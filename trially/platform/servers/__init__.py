"""Servers and placements."""
