"""Support access: an operator enters a tenant with a grant that a second operator approves."""
