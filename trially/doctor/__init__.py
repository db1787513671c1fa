"""`flask doctor`: check every server and database of the fleet, and print remedies."""

CONNECTIONS = 8
"""The databases that are examined at the same time, unless the caller says otherwise."""
