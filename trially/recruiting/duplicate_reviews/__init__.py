"""Possible duplicates as users list and decide them, and the commands that find them."""
