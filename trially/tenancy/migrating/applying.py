"""Apply one migration to one place, with all that follows it, in one transaction."""

import re
from collections.abc import Callable, Sequence
from contextlib import suppress

import psycopg2
from psycopg2.extensions import connection
from sqlalchemy.exc import DBAPIError

from trially.errors import OperatorError
from trially.tenancy.migrating.batches import run_composed
from trially.tenancy.migrating.finishing import Finishing
from trially.tenancy.migrating.owning import Owned
from trially.tenancy.migrating.places import Place
from trially.tenancy.schema.composing import compose
from trially.tenancy.schema.stepping import Step, Steps, apply_step
from trially.tenancy.servers.connections import execute
from trially.tenancy.tiers import TIERS
from trially.tenancy.tiers.tenant_tables import exempt_owner_sql

INSUFFICIENT_PRIVILEGE = "42501"

_BOUND_TABLES = """
SELECT relname FROM pg_class
WHERE relnamespace = to_regnamespace(%s) AND relkind IN ('r', 'p') AND relforcerowsecurity
"""


class UnfilledError(OperatorError):
    """A migration removes what a backfill of the tenant still needs."""


def apply(
    place: Place,
    owned: Owned,
    steps: Steps,
    step: Step,
    finishing: Finishing,
    before_commit: Callable[[connection], object],
) -> None:
    """Apply one step; if it reads or writes rows of shared tables, with an exemption.

    Row security binds the owner of shared tables too, and `row_security = off` makes a statement
    fail whose rows it would hide. Then the migration is applied again with the owner exempt on
    the tables that the statement names, so that only these are locked; and at last on all.
    """
    raw = owned.raw
    if not step.is_back and (needed := steps.backfills[step.revision]):
        _refuse_unfilled(place, raw, needed)
    composed = compose(steps, step)
    exempt: frozenset[str] = frozenset()

    def end() -> None:
        before_commit(raw)
        keeps_protection = composed is not None and composed.only_adds and not exempt
        finishing.finish(keeps_protection=keeps_protection)

    def begin() -> None:
        if exempt:
            execute(raw, exempt_owner_sql(place.schema, exempt))

    while True:
        try:
            if composed is None:
                apply_step(steps, owned.wrapped, place.schema, step, before=begin, after=end)
            else:
                run_composed(composed, raw, place.schema, step, before=begin, after=end)
        except BaseException as error:
            if step.revision in steps.autocommitting:
                _restore(raw, finishing)
            more = _hidden_tables(place, raw, error, exempt)
            if not more:
                raise
            exempt |= more
        else:
            return


def _refuse_unfilled(place: Place, raw: connection, needed: Sequence[str]) -> None:
    """Raise `UnfilledError` if a backfill of a tenant is not done."""
    for record in place.records:
        tenant_id = str(record.tenant_id)
        execute(
            raw,
            "SELECT set_config('row_security', 'on', true),"
            " set_config('trially.tenant_id', %s, true)",
            tenant_id,
        )
        done = execute(
            raw,
            "SELECT name FROM backfill_progress WHERE tenant_id = %s AND state = 'done'",
            tenant_id,
        )
        raw.rollback()
        if missing := sorted(set(needed) - {name for (name,) in done}):
            slug = record.tenant.slug
            raise UnfilledError(
                f"The backfill {missing[0]} of {slug} is not done. Run"
                f" `flask tenants backfill run {slug}` first."
            )


def _hidden_tables(
    place: Place, raw: connection, error: BaseException, exempt: frozenset[str]
) -> frozenset[str]:
    """Return more tables that a refused statement names; if there are none, all that are left."""
    if not (TIERS[place.tier].has_row_security and isinstance(error, DBAPIError)):
        return frozenset()
    if getattr(error.orig, "pgcode", None) != INSUFFICIENT_PRIVILEGE:
        return frozenset()
    raw.rollback()
    tables = frozenset(name for (name,) in execute(raw, _BOUND_TABLES, place.schema)) - exempt
    raw.rollback()
    named = tables & frozenset(re.findall(r"\w+", error.statement or ""))
    return named or tables


def _restore(raw: connection, finishing: Finishing) -> None:
    """Set grants and row security again, after a migration that failed when it had committed."""
    with suppress(psycopg2.Error):
        raw.rollback()
        finishing.restore()
        raw.commit()
