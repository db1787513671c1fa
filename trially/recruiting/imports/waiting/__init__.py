"""Records that wait: they were read before the patient whom they are about."""
