"""Advice where tenants should live."""
