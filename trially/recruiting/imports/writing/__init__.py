"""Write rows of translated resources, a batch at a time."""
