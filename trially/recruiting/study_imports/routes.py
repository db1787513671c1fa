"""Routes of imports of studies."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import orjson
from flask import request

from trially.auth.permissions import Permission, requires
from trially.database.rows import Item
from trially.database.session import check_tenant_open, open_transaction
from trially.http.codes import Code
from trially.http.contract import accepts_stream, feature, queries, returns
from trially.http.problems import NotFound, UnprocessableContent
from trially.http.uploads import received_upload
from trially.recruiting.studies.routes import STUDIES, bp
from trially.recruiting.study_imports.files import read_studies
from trially.recruiting.study_imports.importing import Outcome, StudyImport, show_outcome
from trially.recruiting.study_imports.locations import locations_of
from trially.recruiting.study_imports.schema import (
    RegistryRecordSchema,
    StudyImportQuerySchema,
    StudyImportSchema,
)
from trially.recruiting.study_imports.stored_studies import find_record
from trially.tenancy.entitlements.features import Feature

MOST_BODY_BYTES = 16 << 20
MOST_STUDIES = 250
"""Studies of one request, which is one transaction. The command has no such limit."""

_STUDY = {
    "protocolSection": {
        "identificationModule": {
            "nctId": "NCT05512345",
            "orgStudyIdInfo": {"id": "GLY-302"},
            "briefTitle": "Glucose Control in Type 2 Diabetes",
        },
        "statusModule": {"overallStatus": "RECRUITING"},
        "designModule": {"studyType": "INTERVENTIONAL", "phases": ["PHASE2", "PHASE3"]},
        "eligibilityModule": {
            "eligibilityCriteria": "Inclusion Criteria:\n\n* HbA1c \\>= 7 %",
            "minimumAge": "18 Years",
            "sex": "ALL",
        },
    }
}
_LINES = {
    "schema": {"type": "string", "description": "Studies, one in JSON on each line."},
    "example": f"{orjson.dumps(_STUDY).decode()}\n",
}
MEDIA_TYPES: Mapping[str, Mapping[str, Any]] = {
    "application/json": {
        "schema": {
            "type": "object",
            "description": "A study as API version 2 of ClinicalTrials.gov sends it, or an object"
            " with `studies`.",
            "additionalProperties": True,
        },
        "example": _STUDY,
    },
    "application/ndjson": _LINES,
    "application/x-ndjson": _LINES,
}


@bp.post("/import")
@requires(Permission.STUDIES_WRITE)
@feature(Feature.REGISTRY_IMPORTS)
@accepts_stream(MEDIA_TYPES)
@queries(StudyImportQuerySchema())
@returns(StudyImportSchema())
def import_studies(query: dict[str, Any]) -> Item:
    """Import studies from ClinicalTrials.gov, or show what an import would do.

    The body is a study as API version 2 of ClinicalTrials.gov sends it, an answer with `studies`,
    or NDJSON. A study is known by its NCT id: importing it again changes what the registry has
    changed since. What a member has changed here stays until the registry changes it too. A study
    that cannot be imported is `refused` with a reason, and the others are imported; if none can be,
    the answer is 422. Contacts and results are not kept.
    """
    check_tenant_open()
    with received_upload(request, MEDIA_TYPES, MOST_BODY_BYTES) as (file, _):
        open_transaction()
        run = StudyImport(is_dry_run=query["dry_run"])
        outcomes: list[Outcome] = []
        for read in read_studies(file):
            if len(outcomes) == MOST_STUDIES:
                raise UnprocessableContent(
                    f"A request may import at most {MOST_STUDIES} studies. Send several requests,"
                    " or let an operator run `flask studies import`.",
                    code=Code.VALIDATION_FAILED,
                )
            outcomes.append(run.import_study(read))
    _refuse_nothing(outcomes)
    return {
        "is_dry_run": run.is_dry_run,
        "counts": dict(run.counts),
        "studies": [show_outcome(outcome) for outcome in outcomes],
    }


@bp.get("/<uuid:study_id>/registry")
@requires(Permission.STUDIES_READ)
@returns(RegistryRecordSchema())
def show_registry_record(study_id: UUID) -> Item:
    """Show the record of a study at its registry, as it was imported last.

    `locations` are the places that the registry names. Contacts and results are not kept. The
    answer is 404 for a study that was never imported.
    """
    STUDIES.get(study_id)
    record = find_record(study_id)
    if record is None:
        raise NotFound("The study was not imported from a registry.")
    return {**record, "locations": list(locations_of(record["body"]))}


def _refuse_nothing(outcomes: list[Outcome]) -> None:
    """Answer 422 if no study of the body could be imported."""
    refused = [
        {"pointer": each.place if each.place.startswith("/") else "", "detail": each.reason}
        for each in outcomes
        if each.reason is not None
    ]
    if len(refused) == len(outcomes):
        raise UnprocessableContent(
            "No study of the body can be imported.",
            code=Code.VALIDATION_FAILED,
            errors=refused,
        )
