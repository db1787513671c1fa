"""Splitting of a text into headings and statements. No character that is not blank is lost."""
