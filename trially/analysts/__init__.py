"""API of people of organisations: the sums over their tenants, and never a row.

A request enters no tenant, and reads the catalog with the role that may only read.
"""
