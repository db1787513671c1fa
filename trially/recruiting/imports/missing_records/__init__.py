"""The records that a full export of a source lacks: they are found, listed and withdrawn."""
