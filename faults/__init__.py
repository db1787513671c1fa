"""Faults under load: what an installation loses, and how long it takes to recover.

`python -m faults` runs them, and `make faults` writes docs/faults.md.
"""
