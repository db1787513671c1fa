"""Users and groups that a tenant's identity provider sends, and what groups grant."""
