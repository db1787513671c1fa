"""Who may see the sums of organisations: their tokens, their people, and what each role may do."""
