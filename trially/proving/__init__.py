"""`flask tenants prove`: attack each tenant's canary as other tenants, and report what held."""
