"""Say what the FHIR routes can do: the CapabilityStatement."""

from trially.exports.fhir.elements import Json
from trially.fhir.definitions import BASE
from trially.version import VERSION

RELEASED_ON = "2026-11-27"
"""The day on which the routes last changed."""

_SEARCH = [
    {"name": "status", "type": "token"},
    {"name": "condition", "type": "string", "documentation": "A part of a name, in any case."},
]


def write_capabilities(url: str) -> Json:
    """Return the CapabilityStatement of the server at a URL."""
    reads = ("Group", "Library", "MeasureReport")
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": RELEASED_ON,
        "kind": "instance",
        "software": {"name": "trially", "version": VERSION},
        "implementation": {"description": "Studies and their criteria", "url": url},
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json"],
        "rest": [
            {
                "mode": "server",
                "security": {"description": "A bearer token, as for all routes of the API."},
                "resource": [
                    {
                        "type": "ResearchStudy",
                        "interaction": [{"code": "read"}, {"code": "search-type"}],
                        "searchParam": _SEARCH,
                    },
                    *({"type": kind, "interaction": [{"code": "read"}]} for kind in reads),
                ],
                "operation": [
                    {
                        "name": "getClinicalTrial",
                        "definition": f"{BASE}/OperationDefinition/getClinicalTrial",
                    }
                ],
            }
        ],
    }
