"""Where something is on earth: latitude and longitude in degrees (WGS 84), as FHIR writes them."""

MOST_DEGREES = {"latitude": 90, "longitude": 180}
"""The parts of a place, and how far each is from 0 at most. Either both are known or neither."""

GEOLOCATION = "http://hl7.org/fhir/StructureDefinition/geolocation"
"""FHIR's extension of an address."""
