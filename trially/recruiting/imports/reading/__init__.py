"""Read FHIR resources from plain files, compressed files and archives."""
