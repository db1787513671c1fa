"""The tenant's audit log: who saw which patient, who changed what."""
