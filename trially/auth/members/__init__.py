"""Members of a tenant: the people and machines that may act in it."""
