"""API keys: secrets with which programs act for a member, within scopes and until a date."""
