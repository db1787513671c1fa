"""Import patients and their clinical records from FHIR R4 files."""
