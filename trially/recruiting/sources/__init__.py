"""Sources: the systems that assign the ids of imported records."""
