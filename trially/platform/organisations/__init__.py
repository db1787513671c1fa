"""Organisations above tenants, and the sums that their people see."""
