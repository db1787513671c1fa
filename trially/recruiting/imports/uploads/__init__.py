"""Uploads: imports by HTTP."""
