"""What a tenant chooses for itself: its settings, its branding, and its own domain.

The tenant's database has all of it. A worker publishes in the catalog what is needed before a
person has signed in, and `public` answers from there.
"""
