"""Erase one person: what is counted, what stays as a tombstone, and what a legal hold forbids."""
