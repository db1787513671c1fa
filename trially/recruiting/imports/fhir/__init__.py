"""Translate FHIR R4 resources into rows."""
