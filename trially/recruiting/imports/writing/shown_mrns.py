"""Choose the identifier that is shown as the MRN of each patient of a batch."""

from collections.abc import Iterable

from sqlalchemy import select

from trially.database.rows import of_current_tenant, table_of
from trially.database.session import db
from trially.recruiting.imports.fhir.identifiers import choose_number
from trially.recruiting.imports.writing.resources import TranslatedResource
from trially.recruiting.sources.model import RecordSource


def choose_mrns(resources: Iterable[TranslatedResource], source: str) -> None:
    """Give the patients the MRNs of the system that the source is configured to show.

    The system is read in the batch's transaction, which holds the lock of the source, so that a
    change of the configuration reaches each patient once. Digests are of what the source sends,
    and do not depend on it.
    """
    rows = [each.rows[0] for each in resources if each.type == "Patient"]
    system = _find_system(source) if rows else None
    if system is None:
        return
    for row in rows:
        number = choose_number(row["identifiers"], system)
        if number is not None:
            row["mrn"], row["mrn_system"] = number["value"], number["system"]


def _find_system(source: str) -> str | None:
    table = table_of(RecordSource).c
    return db.session.scalar(
        select(table.mrn_system).where(of_current_tenant(RecordSource), table.name == source)
    )
