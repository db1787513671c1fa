"""Faults that happen to a server while a tenant moves under load.

`python -m faults.moves` runs them, and writes docs/faults-of-moves.md.
"""
