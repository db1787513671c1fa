"""Plans: list, create, change and delete them."""
