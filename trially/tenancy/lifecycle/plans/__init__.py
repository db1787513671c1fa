"""Change plans, and what single tenants have by them."""
