"""How a tenant's owner sets provisioning up: where users sign in, and what groups grant."""
