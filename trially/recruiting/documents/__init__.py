"""Documents and notes about patients: their text, and the search in it."""
