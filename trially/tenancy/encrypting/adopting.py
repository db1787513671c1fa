"""Let a tenant adopt encrypted rows of another one, or rows of its own past.

A sealed value opens for its own tenant alone. So the rows of a copy are opened with the keys of the
tenant that they come from, and sealed with those of the copy. Rows of an archive may have another
form than the tenant has now, and get the present one.
"""

from uuid import UUID

from blinker import Signal

from trially.database.field_states import FieldState
from trially.tenancy.catalog import PlacementRecord, Tenant
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.data_keys import data_key
from trially.tenancy.encrypting.states import FieldEncryptionError, fields_of

rows_copied = Signal()
"""Sent with a `PlacementRecord` that serves no request, and the `state` that its rows are to have.

The receiver settles all rows, if any of them has another form. It returns whether it found one that
is encrypted. It may be called twice.
"""


def adopt_rows(record: PlacementRecord, source_tenant_id: UUID) -> None:
    """Bring rows that were copied to a placement into the form of its tenant.

    A new tenant encrypts its fields if the rows are encrypted. Raises `FieldEncryptionError`, or
    what a data key raises that cannot be had.
    """
    if not rows_copied.receivers:
        raise FieldEncryptionError("Nothing in this process settles rows. Run `flask`.")
    if record.tenant_id == source_tenant_id:
        version = fields_of(record.tenant_id).version
        rows_copied.send(record, make_state=lambda: _reading_all(version, None))
        return
    found = rows_copied.send(
        record,
        make_state=lambda: _reading_all(data_key(record.tenant_id).version, source_tenant_id),
        only_if_sealed=True,
    )
    if any(is_sealed for _, is_sealed in found):
        with catalog_transaction() as session:
            tenant = session.get_one(Tenant, record.tenant_id)
            tenant.field_key_version = data_key(record.tenant_id).version


def _reading_all(version: int | None, source_tenant_id: UUID | None) -> FieldState:
    """Return a state whose statements read each form."""
    return FieldState(version, is_changing=True, former=version or 1, opens_as=source_tenant_id)
