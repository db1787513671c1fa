"""Copy a tenant as a new one, as it is or masked: `docs/exports.md` and decision 0052."""
