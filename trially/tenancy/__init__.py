"""Who the tenants are, where each lives, and what is done to them."""
