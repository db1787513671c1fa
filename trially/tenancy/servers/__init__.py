"""Register, prepare, probe and choose PostgreSQL servers, and connect to them."""
