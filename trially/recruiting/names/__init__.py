"""All names of a patient."""
