"""Which pairs are shown."""

from sqlalchemy import ColumnElement, and_, exists

from trially.database.rows import table_of
from trially.recruiting.duplicates.finding import USED
from trially.recruiting.duplicates.model import PossibleDuplicate
from trially.recruiting.patients.model import Patient


def of_used_records() -> ColumnElement[bool]:
    """Return the condition of pairs in which no record is replaced or withdrawn."""
    pair, patient = table_of(PossibleDuplicate).c, table_of(Patient).alias("used").c
    return and_(
        *(
            exists().where(
                patient.tenant_id == pair.tenant_id,
                patient.id == patient_id,
                patient.record_status.in_(USED),
            )
            for patient_id in (pair.patient_id, pair.other_patient_id)
        )
    )
