"""The issuers that tenants register for themselves: one tenant each, and never the platform."""
