"""The issuers of a tenant, as its owners register them."""
