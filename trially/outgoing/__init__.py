"""Requests that this back end sends to others: within a time, and to public addresses only."""
