"""Create demo tenants with fictitious people, patients and studies, and serve them."""
