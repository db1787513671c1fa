"""Read FHIR resources from files of any packing."""
