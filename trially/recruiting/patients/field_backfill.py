"""Settle all rows of a tenant whose fields change: some in each transaction, while requests write.

It starts at the first row again after an interruption, and writes only rows of the former form.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from uuid import UUID

from flask import current_app
from sqlalchemy import Table
from sqlalchemy.exc import DBAPIError

from trially.audit.recording import note
from trially.audit.working import working
from trially.backfills.filling import acting_for
from trially.database.discarding import discard_rows, discarded_tables
from trially.database.field_states import FieldState
from trially.database.placement import StalePlacementError, enter_placement
from trially.database.rows import table_of
from trially.database.sealed_rows import sealed_tables
from trially.database.sealing import field_state
from trially.database.session import transaction
from trially.database.settling import has_sealed, next_ids, settle_rows
from trially.recruiting.patients.model import Patient
from trially.recruiting.patients.settling import settle_patients
from trially.tenancy.administered import administered_placement
from trially.tenancy.catalog import PlacementRecord
from trially.tenancy.encrypting.adopting import rows_copied
from trially.tenancy.encrypting.operation import fields_change
from trially.tenancy.schema.failures import PASSING
from trially.tenancy.tiers import tier_of

AT_A_TIME = 200
"""Rows of one transaction. They are locked for as long."""

ATTEMPTS = 5
PAUSE_SECONDS = 0.5

Step = tuple[UUID | None, int, int]
"""The last row that a step visited, None if there was none; the visited rows, and the changed."""

_LOWEST_ID = UUID(int=0)
_WITH_PATIENT = frozenset({"patient", "patient_name", "patient_identifier"})


@fields_change.connect
def settle_tenant(slug: str, report: Callable[[int], None]) -> None:
    """Settle a tenant's rows, patients first. `report` takes the number of rows of each step."""
    patients = table_of(Patient)
    _settle(slug, patients.name, partial(_settle_people, patients), report)
    for table in sealed_tables():
        if table.name not in _WITH_PATIENT:
            _settle(slug, table.name, partial(_settle_others, table), report)
    for table in discarded_tables():
        _settle(slug, table.name, partial(_discard, table), report)


@rows_copied.connect
def settle_copy(
    record: PlacementRecord,
    make_state: Callable[[], FieldState],
    *,
    only_if_sealed: bool = False,
) -> bool:
    """Settle rows that were copied to a placement. Return whether any was encrypted before."""
    app = current_app._get_current_object()  # type: ignore[attr-defined]  # noqa: SLF001
    with app.app_context(), working():
        placement = administered_placement(tier_of(record).placement(record))
        enter_placement(placement)
        with transaction():
            is_sealed = any(map(has_sealed, sealed_tables()))
        if only_if_sealed and not is_sealed:
            return False
        enter_placement(replace(placement, fields=make_state()))
        steps = [partial(_settle_people, table_of(Patient))]
        steps += [
            partial(_settle_others, table)
            for table in sealed_tables()
            if table.name not in _WITH_PATIENT
        ]
        steps += [partial(_discard, table) for table in discarded_tables()]
        for step in steps:
            after: UUID | None = _LOWEST_ID
            while after is not None:
                with transaction():
                    after, _, _ = step(after)
    return is_sealed


def _settle(
    slug: str,
    name: str,
    step: Callable[[UUID], Step],
    report: Callable[[int], None],
) -> None:
    after: UUID | None = _LOWEST_ID
    failures = 0
    while after is not None:
        try:
            with acting_for(slug, "fields"):
                while after is not None:
                    with transaction():
                        reached, visited, changed = step(after)
                        if changed:
                            note(backfill="fields", table=name, rows=changed)
                    failures, after = 0, reached
                    report(visited)
        except (DBAPIError, StalePlacementError) as error:
            failures += 1
            if failures >= ATTEMPTS or not _passes(error):
                raise
            time.sleep(PAUSE_SECONDS * failures)


def _settle_people(table: Table, after: UUID) -> Step:
    ids = next_ids(table, after, AT_A_TIME)
    return (ids[-1] if ids else None), len(ids), settle_patients(ids)


def _settle_others(table: Table, after: UUID) -> Step:
    ids = next_ids(table, after, AT_A_TIME)
    return (ids[-1] if ids else None), len(ids), len(settle_rows(table, ids) if ids else ())


def _discard(table: Table, _after: UUID) -> Step:
    """Delete the rows of a table that holds copies, unless the tenant's fields are readable."""
    rows = 0 if field_state().version is None else discard_rows(table)
    return None, rows, rows


def _passes(error: Exception) -> bool:
    code = getattr(getattr(error, "orig", None), "pgcode", None)
    return isinstance(error, StalePlacementError) or code in PASSING
