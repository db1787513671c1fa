"""The team of a study: the members who work on it."""
