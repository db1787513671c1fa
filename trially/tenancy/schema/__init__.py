"""What is in a database: the migrations' lineages, templates, the catalog, the guard."""
