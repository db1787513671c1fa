"""The product's name, colours, logo and domain of one tenant, and how they become public."""
