"""How each source is read: the routes of sources."""
