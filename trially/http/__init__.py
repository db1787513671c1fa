"""How we speak HTTP. Knows no database."""
