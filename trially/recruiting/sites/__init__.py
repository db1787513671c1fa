"""Places where the tenant sees patients."""
