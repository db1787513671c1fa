"""Move a tenant to another tier or server while it works: `docs/decisions/0048`."""
