"""Routes of corrections."""

from uuid import UUID

from trially.auth.permissions import Permission, requires
from trially.database.rows import Item
from trially.http.contract import returns_version
from trially.http.masking import refuse_masked
from trially.http.problems import NotFound
from trially.recruiting.patients.corrections import lock_corrections, release
from trially.recruiting.patients.model import Patient
from trially.recruiting.patients.routes import PATIENTS, bp, follow_change
from trially.recruiting.patients.schema import PatientSchema
from trially.recruiting.patients.settling import settle_before_change


@bp.delete("/<uuid:patient_id>/corrections/<string:field>")
@requires(Permission.PATIENTS_WRITE)
@returns_version(PatientSchema())
def release_correction(patient_id: UUID, field: str) -> Item:
    """Release a correction.

    The field has the source's value again, and follows imports from now on. Fields that are masked
    for the caller cannot be released.
    """
    PATIENTS.get(patient_id)
    refuse_masked(PATIENTS.masked & {field})
    settle_before_change(patient_id)
    corrections = lock_corrections(patient_id)
    if field not in corrections:
        raise NotFound("The field has not been corrected.")
    released = PATIENTS.change(
        patient_id,
        None,
        {},
        {**release(corrections, field), "clinical_version": Patient.clinical_version + 1},
    )
    return follow_change(released, {field})
