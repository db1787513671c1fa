"""What the page of a study shows of its protocol."""
