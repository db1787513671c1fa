"""Archives of tenants."""
