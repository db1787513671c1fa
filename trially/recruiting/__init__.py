"""The product: studies, sites, patients, their records, and how they come in."""
