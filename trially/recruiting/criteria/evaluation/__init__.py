"""What criteria mean: one function for each leaf, and how their results are combined."""
