"""Other formats than FHIR: their content is translated to FHIR R4 resources."""
