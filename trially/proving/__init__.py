"""How the walls between tenants prove themselves: canaries, and every known way to reach them."""
