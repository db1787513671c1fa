"""Counts that tenants share with organisations, and their sums. No row leaves a tenant.

A tenant is counted in its own transaction, and its counts are rounded there (`counting`,
`rounding`). A worker copies them to the catalog if the tenant's owner has consented (`sharing`).
An organisation sees sums over its tenants (`sums`).
"""
