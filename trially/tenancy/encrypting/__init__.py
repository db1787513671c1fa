"""Encrypt the fields of a tenant, decrypt them, or seal them again, while the tenant works."""
