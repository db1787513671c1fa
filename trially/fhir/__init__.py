"""Studies as FHIR R4 resources, and which of them fit a patient of another system."""
