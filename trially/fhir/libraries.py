"""Write the criteria of a version of a protocol as a Library, whole, in trially's own JSON."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from trially.exports.fhir.elements import Json, Row, date_time, present
from trially.fhir.definitions import RESOURCE_TYPES, id_of_version, urn_of
from trially.recruiting.criteria.language.criteria import SCHEMA_VERSION
from trially.recruiting.protocols.versions.model import VersionStatus

_STATUSES: Mapping[VersionStatus, str] = {
    VersionStatus.DRAFT: "draft",
    VersionStatus.IN_REVIEW: "draft",
    VersionStatus.ACTIVE: "active",
    VersionStatus.SUPERSEDED: "retired",
}
_TYPES = "http://terminology.hl7.org/CodeSystem/library-type"
LONGEST_STATEMENT = 10_000
"""Characters of a statement that the language of criteria keeps."""


def write_library(study: Row, version: Row, criteria: Sequence[Row]) -> Json:
    """Return the Library with the criteria of a version. Its version is their hash."""
    effective = version["effective_on"]
    return present(
        {
            "resourceType": "Library",
            "id": id_of_version(study["id"], version["number"]),
            "meta": present({"lastUpdated": date_time(version["updated_at"], "instant")}),
            "url": urn_of(version["id"]),
            "version": version["criteria_hash"],
            "name": f"CriteriaOfVersion{version['number']}",
            "title": f"Criteria of {study['title']}, version {version['number']}",
            "status": _STATUSES[VersionStatus(version["status"])],
            "type": {"coding": [{"system": _TYPES, "code": "logic-library"}]},
            "subjectCodeableConcept": {
                "coding": [{"system": RESOURCE_TYPES, "code": "Patient"}],
            },
            "date": date_time(version["updated_at"], "instant"),
            "approvalDate": date_time(version["approved_at"], "day"),
            "effectivePeriod": {"start": effective.isoformat()} if effective else None,
            "content": [{"contentType": "application/json", "data": _content(criteria)}],
        }
    )


def _content(criteria: Sequence[Row]) -> str:
    written = {"schema": SCHEMA_VERSION, "criteria": [_written(each) for each in criteria]}
    return b64encode(orjson.dumps(written)).decode()


def _written(criterion: Row) -> dict[str, Any]:
    """Return a criterion in the language of docs/criteria.md."""
    statement = criterion["statement"][:LONGEST_STATEMENT]
    return present(
        {
            "id": str(criterion["key"]),
            "kind": str(criterion["kind"]),
            "expression": criterion["expression"],
            "source": {"text": statement} if statement.strip() else None,
            "hard": criterion["is_hard"],
            "weight": criterion["weight"],
        }
    )
