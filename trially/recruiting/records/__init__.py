"""What is recorded of a patient: conditions, observations, medications and the rest."""
