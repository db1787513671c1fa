"""Check the SQL of migrations before it is released: dangerous locks, and unprotected tables."""
