"""Compare a database with a reference: every row of PostgreSQL's system catalogs."""
