"""Taking patients and their facts in from FHIR R4 files."""
