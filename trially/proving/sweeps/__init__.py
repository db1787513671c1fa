"""Sweeps: every tenant of a database attacks every table of all its other tenants at once."""
