"""Clinical studies that the tenant recruits for."""
