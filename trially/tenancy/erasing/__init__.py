"""Erase a tenant or a person from every store, and certify what was checked.

An erasure is ordered, and carried out when its period ends. Until then the tenant is suspended and
can be brought back. See docs/erasing.md.
"""
