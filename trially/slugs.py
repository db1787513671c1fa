"""The form of tenants' slugs, for every layer that checks one."""

SLUG_PATTERN = "[a-z][a-z0-9-]{1,38}[a-z0-9]"
"""A regular expression for Python and PostgreSQL, without anchors."""

REFERENCE_PATTERN = "[a-z0-9-]{3,40}"
"""Matches slugs and tenant ids. A name that does not match it cannot belong to a tenant."""
