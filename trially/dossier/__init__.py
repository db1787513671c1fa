"""One signed report for a customer: where its rows are, and what shows that they are its own."""
