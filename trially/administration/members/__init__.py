"""Members, as the API shows and changes them."""
