"""Authenticate callers, and check what they may do."""
