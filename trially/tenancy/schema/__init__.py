"""The contents of databases: lineages of migrations, templates, the catalog, the guard."""
