"""Attack each tenant: in every table as all its neighbours, and on every path as a few others."""

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from uuid import UUID

import psycopg2
from sqlalchemy.exc import SQLAlchemyError
from uuid_utils.compat import uuid7

from trially.database.placement import StalePlacementError, TenantSuspendedError
from trially.errors import OperatorError
from trially.proving.attempts import Attempt, Outcome, Party, Target
from trially.proving.caches import look_in_caches
from trially.proving.canaries import Run, canary_in, new_run
from trially.proving.entering import enter_by_the_guard
from trially.proving.logging_in import log_in_as_reader, log_in_as_tenants
from trially.proving.preconditions import Reasons, find_unprovable
from trially.proving.querying import query_as_tenant, read_as_own_tenant
from trially.proving.requesting import request_as_tenant
from trially.proving.server_rights import look_at_rights, roles_of
from trially.proving.sweeps.results import Sweep
from trially.proving.sweeps.sweeping import OUT_OF_TIME, Place, number_of_batches, sweep_database
from trially.tenancy.catalog_choices import TenantStatus
from trially.tenancy.lifecycle.status import get_tenant, list_tenants
from trially.tenancy.servers.access import server_access
from trially.tenancy.servers.connections import execute

ATTACKS_WITHOUT_TENANT = (read_as_own_tenant, log_in_as_reader, enter_by_the_guard)
"""Attacks that are made once per target, and as no other tenant."""

ATTACKS_AS_TENANT: tuple[Callable[[Target, Party], Iterator[Attempt]], ...] = (
    query_as_tenant,
    look_in_caches,
    request_as_tenant,
)
"""Attacks that are made as each of the other tenants."""

PROVISIONED = (TenantStatus.ACTIVE, TenantStatus.SUSPENDED)

NEVER_APPLICABLE = {
    "files": "Tenants' files are not stored: an upload is discarded at the end of its request.",
    "shared caches": "Processes share no cache: each has caches of its own.",
}

FAILURES = (
    OperatorError,
    psycopg2.Error,
    SQLAlchemyError,
    StalePlacementError,
    TenantSuspendedError,
)
"""Errors of a broken tenant or server, which end the attacks on it or as it."""

REMEDY = "Fix the errors that `flask doctor` reports, and run `flask tenants prove` again."

RAISE = "Raise `--time-limit`, or prove fewer tenants at a time."


@dataclass(frozen=True)
class Pairing:
    """A tenant under attack, and the tenants that attack it on every path."""

    target: Party
    attackers: Sequence[Party]


@dataclass(frozen=True)
class Plan:
    """What a run attacks."""

    seed: int
    pairings: Sequence[Pairing]
    sweeps: Sequence[tuple[Place, Sweep]]
    """Each database with a target, with all its tenants that can attack."""

    everyone: Sequence[Party]
    unprovable: Sequence[tuple[str, str]]
    """Slugs of the targets of which nothing can be proven, with the reason."""

    @property
    def slugs(self) -> list[str]:
        """The slugs of all targets."""
        return sorted(
            [pairing.target.slug for pairing in self.pairings]
            + [slug for slug, _ in self.unprovable]
        )

    @property
    def steps(self) -> int:
        """How often `prove` yields."""
        return len(self.pairings) + sum(number_of_batches(place) for place, _ in self.sweeps)


def make_plan(slugs: Sequence[str], max_attackers: int, seed: int) -> Plan:
    """Plan to attack each tenant in `slugs`, or every tenant if there are none.

    Half of the attackers of a tenant are in its own database, if it holds other tenants. The same
    seed chooses the same attackers while the fleet is the same. Raises `UnknownTenantError`.
    """
    parties = [Party(tenant) for tenant in list_tenants()]
    selected = {get_tenant(slug).id for slug in slugs}
    provisioned = [party for party in parties if party.tenant.status in PROVISIONED]
    reasons = find_unprovable(provisioned)
    usable = [party for party in provisioned if party.tenant.id not in reasons]
    active = [party for party in usable if party.tenant.status == TenantStatus.ACTIVE]
    by_database = _by_database(active)
    random = Random(seed)  # noqa: S311
    targets = [party for party in usable if not selected or party.tenant.id in selected]
    return Plan(
        seed,
        [
            Pairing(party, _choose_attackers(party, by_database, active, max_attackers, random))
            for party in targets
        ],
        list(_sweeps(targets, usable)),
        usable,
        list(_unprovable(parties, selected, reasons)),
    )


def prove(plan: Plan, time_limit_seconds: float) -> Iterator[list[Attempt]]:
    """Carry out a plan, and yield the attempts of each step.

    A step is a batch of attackers in one database, or one target. The attempts of a batch are in
    its sweep. At the time limit the remaining tenants are reported as not proven.
    """
    deadline = time.monotonic() + time_limit_seconds
    roles = roles_of(plan.everyone)
    for place, sweep in plan.sweeps:
        look_at_rights(place, sweep.victims, roles, sweep)
        placed = {party.tenant.id for party in place.parties}
        elsewhere = [party for party in plan.everyone if party.tenant.id not in placed]
        for _ in sweep_database(sweep, place, elsewhere, deadline):
            yield []
    with new_run() as run:
        for pairing in plan.pairings:
            if time.monotonic() > deadline:
                yield [_stopped(pairing.target.slug, "time limit", OUT_OF_TIME, RAISE)]
            else:
                yield _attack(pairing, run)


def attempts_before(plan: Plan) -> list[Attempt]:
    """Return the attempts that could not be made, because a tenant is broken or outdated."""
    return [_stopped(slug, "placement", reason) for slug, reason in plan.unprovable]


def postgresql_versions(parties: Sequence[Party]) -> dict[str, str]:
    """Return the PostgreSQL version of each server with a target, by the server's name."""
    names = sorted({party.record.server.name for party in parties})
    return {name: _version_of(name) for name in names}


def _version_of(server: str) -> str:
    try:
        with server_access(server).administer() as raw:
            [(version,)] = execute(raw, "SHOW server_version")
    except (OperatorError, psycopg2.Error) as error:
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


def _by_database(parties: Sequence[Party]) -> dict[str, list[Party]]:
    grouped: dict[str, list[Party]] = {}
    for party in parties:
        grouped.setdefault(party.placement.bind_key, []).append(party)
    return grouped


def _sweeps(targets: Sequence[Party], usable: Sequence[Party]) -> Iterator[tuple[Place, Sweep]]:
    """Yield each database with a target, with all its tenants as attackers."""
    victims, run_id = _by_database(targets), uuid7()
    for bind_key, parties in _by_database(usable).items():
        if bind_key in victims:
            record = parties[0].record
            place = Place(record.server.name, record.database, tuple(parties))
            sweep = Sweep(run_id, place.server, place.database, tuple(victims[bind_key]))
            yield place, sweep


def _unprovable(
    parties: Sequence[Party], selected: Collection[UUID], reasons: Reasons
) -> Iterator[tuple[str, str]]:
    for party in parties:
        tenant = party.tenant
        if tenant.id in reasons and (not selected or tenant.id in selected):
            yield party.slug, reasons[tenant.id]
        elif tenant.id in selected and tenant.status not in PROVISIONED:
            yield party.slug, f"the tenant's status is {tenant.status}"


def _attack(pairing: Pairing, run: Run) -> list[Attempt]:
    attempts: list[Attempt] = []
    try:
        with canary_in(pairing.target, run) as target:
            for attack in ATTACKS_WITHOUT_TENANT:
                attempts += attack(target)
            attempts += log_in_as_tenants(target, pairing.attackers)
            for attacker in pairing.attackers:
                attempts += _attack_as(attacker, target)
    except FAILURES as error:
        attempts.append(_stopped(pairing.target.slug, "canary", _describe(error)))
    return attempts


def _attack_as(attacker: Party, target: Target) -> list[Attempt]:
    """Attack as one tenant. If it is broken, that is a finding about it, not about the target."""
    attempts: list[Attempt] = []
    try:
        for attack in ATTACKS_AS_TENANT:
            attempts += attack(target, attacker)
    except FAILURES as error:
        attempts.append(_stopped(attacker.slug, "act as this tenant", _describe(error)))
    return attempts


def _describe(error: BaseException) -> str:
    return f"the attack was stopped by {type(error).__name__}"


def _stopped(slug: str, path: str, reason: str, remedy: str = REMEDY) -> Attempt:
    return Attempt(slug, None, path, Outcome.INCONCLUSIVE, reason, remedy)
