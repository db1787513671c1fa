"""Restore one tenant to a point in time, from a base backup and WAL of its server."""
