"""Routes of a patient's names."""

from typing import Any
from uuid import UUID

from flask import Blueprint

from trially.auth.permissions import Permission, requires
from trially.database.rows import table_of
from trially.http.contract import queries, returns_page
from trially.http.fields import PageQuerySchema
from trially.http.pages import Page
from trially.recruiting.names.schema import NameSchema
from trially.recruiting.patients.routes import PATIENTS
from trially.recruiting.search.model import PatientName
from trially.resources.listing import equals
from trially.resources.resource import Resource
from trially.resources.scope import of_patient

bp = Blueprint("names", __name__, url_prefix="/patients/<uuid:patient_id>")

columns = table_of(PatientName).c

NAMES = Resource(
    PatientName,
    NameSchema(),
    name="name",
    scope=of_patient(columns.patient_id),
    order={"position": "asc", "id": "asc"},
    filters={"patient_id": equals(columns.patient_id)},
)


@bp.get("/names")
@requires(Permission.PATIENTS_READ)
@queries(PageQuerySchema())
@returns_page(NameSchema())
def list_names(patient_id: UUID, query: dict[str, Any]) -> Page:
    """List all names of a patient, in the order of the source.

    The search finds the patient by each of them. `use` is FHIR's: `official`, `usual`, `maiden`,
    `nickname`, `old` and others. The patient's own fields hold the name in use.
    """
    PATIENTS.get(patient_id)
    return NAMES.page(query, patient_id=patient_id)
