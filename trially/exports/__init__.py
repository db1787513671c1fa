"""Export what a tenant stores, or what is stored about one person: `docs/exports.md`."""
