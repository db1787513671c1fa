"""Migrations of tenants' tables."""
