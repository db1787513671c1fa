"""Tenants: list, create, change, suspend, move and erase them."""
