"""The sites of a study: where the tenant recruits for it."""
