"""Compare a tenant with a restored copy of it, and take rows back from the copy."""
