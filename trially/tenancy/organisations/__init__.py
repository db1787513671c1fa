"""Organisations above tenants, such as a CRO over its sites: their tenants, people and counts.

An organisation has no rows of patients and no placement. Its people see sums of the counts that its
tenants share. `trially.organisation`, which is older, is about the settings of a single tenant.
"""
