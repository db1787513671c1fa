"""Attack every tenant on every path, each as a few other tenants."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from uuid import UUID

import psycopg2
from sqlalchemy.exc import SQLAlchemyError

from trially.database.placement import StalePlacementError, TenantSuspendedError
from trially.proving.attempts import Attempt, Outcome, Party
from trially.proving.caches import look_in_caches
from trially.proving.canaries import Run, canary_in, new_run
from trially.proving.entering import enter_by_the_guard
from trially.proving.logging_in import log_in_as_reader, log_in_as_tenants
from trially.proving.querying import query_as_tenant, read_as_own_tenant
from trially.proving.requesting import request_as_tenant
from trially.tenancy.catalog import TenantStatus
from trially.tenancy.directory import UnknownTenantError
from trially.tenancy.lifecycle.status import get_tenant, list_tenants
from trially.tenancy.servers.access import NoServerError, server_access
from trially.tenancy.servers.connections import execute

ATTACKS_WITHOUT_TENANT = (read_as_own_tenant, log_in_as_reader, enter_by_the_guard)
"""Attacks that are made once per target, and as no other tenant."""

ATTACKS_AS_TENANT = (query_as_tenant, look_in_caches, request_as_tenant)
"""Attacks that are made as each of the other tenants."""

PROVISIONED = (TenantStatus.ACTIVE, TenantStatus.SUSPENDED)

NEVER_APPLICABLE = {
    "files": "Tenants' files are not stored: an upload is discarded at the end of its request.",
    "shared caches": "Processes share no cache: each has caches of its own.",
}


@dataclass(frozen=True)
class Pairing:
    """A tenant under attack, and the tenants that attack it."""

    target: Party
    attackers: Sequence[Party]


def choose_pairings(slugs: Sequence[str], max_attackers: int, seed: int) -> list[Pairing]:
    """Choose the attackers of each tenant in `slugs`, or of every tenant if there are none.

    Half of the attackers are in the target's own database, if it holds other tenants. The same seed
    chooses the same attackers while the fleet is the same. Raises `UnknownTenantError`.
    """
    parties = [Party(tenant) for tenant in list_tenants() if tenant.status in PROVISIONED]
    selected = {get_tenant(slug).id for slug in slugs}
    active = [party for party in parties if party.tenant.status == TenantStatus.ACTIVE]
    by_database: dict[str, list[Party]] = {}
    for party in active:
        by_database.setdefault(party.placement.bind_key, []).append(party)
    random = Random(seed)  # noqa: S311
    return [
        Pairing(party, _choose_attackers(party, by_database, active, max_attackers, random))
        for party in parties
        if not selected or party.tenant.id in selected
    ]


def prove(pairings: Sequence[Pairing]) -> Iterator[list[Attempt]]:
    """Attack each target in turn while it has a canary, and yield its attempts."""
    with new_run() as run:
        for pairing in pairings:
            yield _attack(pairing, run)


def postgresql_versions(pairings: Sequence[Pairing]) -> dict[str, str]:
    """Return the PostgreSQL version of each server with a target, by the server's name."""
    names = sorted({pairing.target.record.server.name for pairing in pairings})
    return {name: _version_of(name) for name in names}


def _version_of(server: str) -> str:
    try:
        with server_access(server).administer() as raw:
            [(version,)] = execute(raw, "SHOW server_version")
    except (NoServerError, psycopg2.Error) as error:
        return f"unknown ({type(error).__name__})"
    return str(version)


def _choose_attackers(
    target: Party,
    by_database: Mapping[str, Sequence[Party]],
    active: Sequence[Party],
    max_attackers: int,
    random: Random,
) -> list[Party]:
    neighbours = by_database.get(target.placement.bind_key, ())
    near = _draw(neighbours, (max_attackers + 1) // 2, {target.tenant.id}, random)
    excluded = {target.tenant.id, *(party.tenant.id for party in near)}
    return near + _draw(active, max_attackers - len(near), excluded, random)


def _draw(
    parties: Sequence[Party], count: int, excluded: Collection[UUID], random: Random
) -> list[Party]:
    """Draw at most `count` parties that are not excluded, without a scan of all parties."""
    drawn = random.sample(parties, min(count + len(excluded), len(parties)))
    return [party for party in drawn if party.tenant.id not in excluded][:count]


def _attack(pairing: Pairing, run: Run) -> list[Attempt]:
    try:
        with canary_in(pairing.target, run) as target:
            attempts = [attempt for attack in ATTACKS_WITHOUT_TENANT for attempt in attack(target)]
            attempts += log_in_as_tenants(target, pairing.attackers)
            for attacker in pairing.attackers:
                for attack in ATTACKS_AS_TENANT:
                    attempts += attack(target, attacker)
            return attempts
    except (
        NoServerError,
        psycopg2.Error,
        SQLAlchemyError,
        StalePlacementError,
        TenantSuspendedError,
        UnknownTenantError,
    ) as error:
        reason = f"the attack was stopped by {type(error).__name__}"
        remedy = "Fix the errors that `flask doctor` reports, and run `flask tenants prove` again."
        slug = pairing.target.slug
        return [Attempt(slug, None, "canary", Outcome.INCONCLUSIVE, reason, remedy)]
