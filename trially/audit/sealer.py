"""Seal the audit logs of tenants, index their patients, and send the seals to witnesses."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import text

from trially.audit.indexing import extend_index
from trially.audit.tenant_log import tenant_connection, tenant_log
from trially.audit.witnesses import Witness
from trially.audit.witnesses.sending import Lag, send_seals
from trially.database.session import db
from trially.seals import Log, Seal, seal
from trially.seals.sealing import last_seal, read_stored
from trially.seals.verifying import count_after
from trially.tenancy.context import administered_tenant
from trially.tenancy.schema.failures import describe_failure


@dataclass(frozen=True)
class Sealed:
    """What one run of the sealer did for one tenant."""

    slug: str
    seals: int = 0
    records: int = 0
    indexes: int = 0
    witnesses: Sequence[Lag] = ()
    error: str | None = None
    """Why it failed. Seals that were committed before are kept."""


@dataclass(frozen=True)
class LogStatus:
    """The state of a tenant's log."""

    slug: str
    seals: int
    last_sealed_at: object
    unsealed: int
    """Records without a seal."""

    witnesses: Sequence[Lag]


def seal_tenants(slugs: Iterable[str], witnesses: Sequence[Witness] = ()) -> Iterator[Sealed]:
    """Seal the logs of tenants in turn. A tenant that fails does not stop the others."""
    for slug in slugs:
        try:
            yield seal_tenant(slug, witnesses)
        except Exception as error:  # noqa: BLE001  the tenants after this one must be sealed
            yield Sealed(slug, error=describe_failure(error))


def seal_tenant(
    slug: str,
    witnesses: Sequence[Witness] = (),
    report: Callable[[Seal], None] = lambda _: None,
) -> Sealed:
    """Seal the records of a tenant that have no seal, one batch in each transaction.

    `report` is called after each seal that was committed. Raises `UnknownTenantError`.
    """
    seals = records = 0
    with administered_tenant(slug) as entry:
        log = tenant_log()
        while made := seal(tenant_connection(), log, most=1):
            db.session.commit()
            for each in made:
                seals, records = seals + 1, records + each.count
                report(each)
        indexes = extend_index(tenant_connection(), log) if seals else 0
        db.session.commit()
        return Sealed(entry.slug, seals, records, indexes, send(log, witnesses))


def send(log: Log, witnesses: Sequence[Witness]) -> Sequence[Lag]:
    """Send the current tenant's seals to the witnesses that lack them."""
    if not witnesses:
        return ()
    last = _last_number(log)
    db.session.commit()
    return send_seals(witnesses, log.name, last, lambda after: _read(log, after))


def status_of(slug: str, witnesses: Sequence[Witness] = ()) -> LogStatus:
    """Return how far the seals and the witnesses of a tenant's log are."""
    with administered_tenant(slug) as entry:
        log = tenant_log()
        with tenant_connection().cursor() as cursor:
            newest = last_seal(cursor, log)
            unsealed = count_after(cursor, log, newest.last if newest else None)
        number = newest.number if newest else 0
        sealed_at = db.session.scalar(_SEALED_AT, {"tenant_id": log.tenant_id, "number": number})
        lags = [_lag_of(each, log, number) for each in witnesses]
        return LogStatus(entry.slug, number, sealed_at, unsealed, lags)


_SEALED_AT = text(
    "SELECT sealed_at FROM audit_seal WHERE tenant_id = :tenant_id AND number = :number"
)


def _lag_of(witness: Witness, log: Log, last: int) -> Lag:
    try:
        return Lag(witness.name, max(0, last - witness.last_number(log.name)))
    except Exception as error:  # noqa: BLE001  a witness that is down is a finding
        return Lag(witness.name, last, f"{type(error).__name__}: {error}")


def _last_number(log: Log) -> int:
    with tenant_connection().cursor() as cursor:
        newest = last_seal(cursor, log)
    return 0 if newest is None else newest.number


def _read(log: Log, after: int) -> Iterator[Seal]:
    with tenant_connection().cursor() as cursor:
        yield from read_stored(cursor, log, after)
    db.session.commit()
