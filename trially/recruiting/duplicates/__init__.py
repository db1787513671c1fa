"""Pairs of patients that may be the same person."""
