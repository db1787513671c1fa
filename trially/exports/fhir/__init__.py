"""Write rows as FHIR R4 resources: the inverse of `trially.recruiting.imports.fhir`."""
