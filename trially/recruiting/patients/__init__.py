"""Patients of the tenant."""
