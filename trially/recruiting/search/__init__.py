"""Find patients by names, numbers and dates as people type them."""
