"""How a PostgreSQL server is reached, prepared, registered and chosen."""
