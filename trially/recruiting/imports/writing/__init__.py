"""Write the rows of translated resources, one batch at a time."""
