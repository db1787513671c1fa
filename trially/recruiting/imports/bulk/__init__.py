"""The client of FHIR Bulk Data exports: it asks a server for an export and downloads the files."""
