"""How far a value set reaches: the tenant's facts that have its codes, and codes it may lack."""
