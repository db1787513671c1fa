"""Try every path to every tenant, each as a few others."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from uuid import UUID

import psycopg2
from sqlalchemy.exc import SQLAlchemyError

from trially.database.placement import StalePlacementError, TenantSuspendedError
from trially.proving.asking import ask_as_tenant, see_as_itself
from trially.proving.attempts import Attempt, Outcome, Party
from trially.proving.canaries import Run, canary_in, new_run
from trially.proving.entering import enter_by_the_guard
from trially.proving.logging_in import log_in_as_reader, log_in_as_tenants
from trially.proving.remembering import look_in_memories
from trially.proving.requesting import request_as_tenant
from trially.tenancy.catalog import TenantStatus
from trially.tenancy.directory import UnknownTenantError
from trially.tenancy.lifecycle.status import get_tenant, list_tenants
from trially.tenancy.servers.access import NoServerError, server_access
from trially.tenancy.servers.connections import execute

BY_THEMSELVES = (see_as_itself, log_in_as_reader, enter_by_the_guard)
"""Paths that lead to a tenant from nowhere."""

AS_OTHERS = (ask_as_tenant, look_in_memories, request_as_tenant)
"""Paths that lead to a tenant from another."""

WHOLE = (TenantStatus.ACTIVE, TenantStatus.SUSPENDED)
"""States of tenants that are wholly there."""

NEVER_APPLICABLE = {
    "files": "No files of tenants are kept: an upload has no name, and is gone with its request.",
    "shared caches": "There are none: what a process remembers of tenants is its own.",
}


@dataclass(frozen=True)
class Pairing:
    """A tenant that is attacked, and those as whom it is."""

    target: Party
    attackers: Sequence[Party]


def choose_pairings(slugs: Sequence[str], most: int, seed: int) -> list[Pairing]:
    """Choose who attacks whom: the named tenants, or all, each by at most `most` others.

    Half of them are neighbours in the same database, if there are any. The same seed chooses the
    same, while the tenants are the same. Raises `UnknownTenantError`.
    """
    parties = [Party(tenant) for tenant in list_tenants() if tenant.status in WHOLE]
    meant = {get_tenant(slug).id for slug in slugs}
    active = [party for party in parties if party.tenant.status == TenantStatus.ACTIVE]
    by_place: dict[str, list[Party]] = {}
    for party in active:
        by_place.setdefault(party.placement.bind_key, []).append(party)
    dice = Random(seed)  # noqa: S311
    return [
        Pairing(party, _choose(party, by_place, active, most, dice))
        for party in parties
        if not meant or party.tenant.id in meant
    ]


def prove(pairings: Sequence[Pairing]) -> Iterator[list[Attempt]]:
    """Attack each tenant in turn, and yield what came of it. Each has a canary meanwhile."""
    with new_run() as run:
        for pairing in pairings:
            yield _attack(pairing, run)


def postgresql_versions(pairings: Sequence[Pairing]) -> dict[str, str]:
    """Return the version of each server that the tenants are on, by its name."""
    names = sorted({pairing.target.record.server.name for pairing in pairings})
    return {name: _version_of(name) for name in names}


def _version_of(server: str) -> str:
    try:
        with server_access(server).administer() as raw:
            [(version,)] = execute(raw, "SHOW server_version")
    except (NoServerError, psycopg2.Error) as error:
        return f"not known ({type(error).__name__})"
    return str(version)


def _choose(
    target: Party,
    by_place: Mapping[str, Sequence[Party]],
    active: Sequence[Party],
    most: int,
    dice: Random,
) -> list[Party]:
    neighbours = by_place.get(target.placement.bind_key, ())
    near = _draw(neighbours, (most + 1) // 2, {target.tenant.id}, dice)
    known = {target.tenant.id, *(party.tenant.id for party in near)}
    return near + _draw(active, most - len(near), known, dice)


def _draw(parties: Sequence[Party], most: int, but: Collection[UUID], dice: Random) -> list[Party]:
    """Draw at most `most`, of which none is among `but`, without a look at all of them."""
    drawn = dice.sample(parties, min(most + len(but), len(parties)))
    return [party for party in drawn if party.tenant.id not in but][:most]


def _attack(pairing: Pairing, run: Run) -> list[Attempt]:
    try:
        with canary_in(pairing.target, run) as target:
            attempts = [attempt for path in BY_THEMSELVES for attempt in path(target)]
            attempts += log_in_as_tenants(target, pairing.attackers)
            for attacker in pairing.attackers:
                attempts += [attempt for path in AS_OTHERS for attempt in path(target, attacker)]
            return attempts
    except (
        NoServerError,
        psycopg2.Error,
        SQLAlchemyError,
        StalePlacementError,
        TenantSuspendedError,
        UnknownTenantError,
    ) as error:
        reason = f"stopped by {type(error).__name__}"
        remedy = "See what `flask doctor` says of it, and prove again."
        slug = pairing.target.slug
        return [Attempt(slug, None, "canary", Outcome.UNPROVED, reason, remedy)]
