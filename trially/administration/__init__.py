"""What a tenant's owner manages through the API: who may act in the tenant, and how."""
