"""Routes that merge records of one person."""

from typing import Any
from uuid import UUID

from trially.auth.identity import current_identity
from trially.auth.permissions import Permission, requires
from trially.database.rows import Item
from trially.http.contract import accepts, returns_version
from trially.http.problems import Conflict
from trially.recruiting.duplicates.finding import find_duplicates
from trially.recruiting.patients.merging import MergeError, merge, unmerge
from trially.recruiting.patients.merging.schema import MergeSchema
from trially.recruiting.patients.routes import PATIENTS, bp
from trially.recruiting.patients.schema import PatientSchema
from trially.recruiting.sources.locking import lock_sources_of


@bp.post("/<uuid:patient_id>/merge")
@requires(Permission.PATIENTS_WRITE)
@accepts(MergeSchema())
@returns_version(PatientSchema())
def merge_patient(patient_id: UUID, body: dict[str, Any]) -> Item:
    """Let another record replace a patient's, because both are about one person.

    The facts of both are shown at the record in `into`, and the replaced record is no candidate.
    Nothing is lost: `DELETE` undoes the merge. The answer is the replaced record.
    """
    records = PATIENTS.get(patient_id), PATIENTS.get(body["into"])
    lock_sources_of(*records)
    try:
        merge(patient_id, body["into"], current_identity().subject)
    except MergeError as error:
        raise Conflict(str(error)) from None
    find_duplicates([patient_id, body["into"]])
    return PATIENTS.get(patient_id)


@bp.delete("/<uuid:patient_id>/merge")
@requires(Permission.PATIENTS_WRITE)
@returns_version(PatientSchema())
def unmerge_patient(patient_id: UUID) -> Item:
    """Undo a merge.

    The record stands for itself again, with the facts that came with it. If its source says that it
    is replaced, the next import that changes it merges it again.
    """
    patient = PATIENTS.get(patient_id)
    lock_sources_of(patient)
    unmerge(patient_id)
    find_duplicates([patient_id, patient["replaced_by_id"] or patient_id])
    return PATIENTS.get(patient_id)
