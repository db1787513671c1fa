"""What a plan allows its tenants: tiers, limits and features.

Plans and the exceptions of single tenants are rows of the catalog. A tenant's entry in the
directory carries what follows from both, so every process knows it within 5 seconds.
"""
