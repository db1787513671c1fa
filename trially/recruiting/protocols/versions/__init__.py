"""Versions of a protocol: their criteria, their way to activation, and their differences."""
