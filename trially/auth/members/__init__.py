"""Members of a tenant: who they are, what they may do, and their routes."""
