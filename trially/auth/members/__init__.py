"""Members of a tenant: their model, cache, commands and routes."""
