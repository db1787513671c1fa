"""Migrate the tables of all tenants: runs, their ledger, rehearsals, status and drift."""
