"""API keys, as the API creates, shows and revokes them."""
