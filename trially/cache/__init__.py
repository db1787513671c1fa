"""An in-process cache of values that expire. It holds no PHI."""
