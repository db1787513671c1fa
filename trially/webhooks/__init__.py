"""Webhooks: messages about events of a tenant, sent to addresses that its owner chooses."""
