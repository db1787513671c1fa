"""Advice where tenants should live: who has outgrown its tier, its server or its plan.

It reads the catalog and PostgreSQL's statistics, and changes nothing. Rows of tenants are counted
only, by the check that a move makes itself.
"""
