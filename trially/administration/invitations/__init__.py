"""Invitations, as the API creates, shows and withdraws them."""
