"""Seed demo tenants with invented people, patients and studies."""
