"""Sweep a database: each of its tenants attacks every table, and all other tenants at once."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg2

from trially.proving.attempts import Party
from trially.proving.sweeps.attackers import Attacker, Table
from trially.proving.sweeps.canary_rows import CanaryRow, NoCanaryError, compose_canary
from trially.proving.sweeps.disguises import Disguise, disguised
from trially.proving.sweeps.functions import look_around
from trially.proving.sweeps.neighbours import look_beyond
from trially.proving.sweeps.over_the_app import read_over_the_app
from trially.proving.sweeps.planting import (
    PLANT,
    check_own_rows,
    plant,
    plant_together,
    planted_tables,
)
from trially.proving.sweeps.policies import evaluate_policies
from trially.proving.sweeps.reading import prepare_reads, read_all, read_prepared
from trially.proving.sweeps.relations import Relation, relations_in
from trially.proving.sweeps.results import Sweep
from trially.proving.sweeps.rights import Reached, reached_relations
from trially.proving.sweeps.side_effects import write_own_rows
from trially.proving.sweeps.writing import write_all

ATTACKERS_PER_TRANSACTION = 25
"""So a transaction lasts a few seconds. While it lasts, it holds up vacuum and starts of moves."""

OUT_OF_TIME = "the time limit was reached before all attacks were made"

ATTACKS: tuple[Callable[[Attacker], None], ...] = (
    check_own_rows,
    read_all,
    look_around,
    write_all,
    evaluate_policies,
    read_over_the_app,
)
"""The attacks on the tables that a tenant may use, in order."""


@dataclass(frozen=True)
class Place:
    """One database, and the tenants in it."""

    server: str
    database: str
    parties: tuple[Party, ...]


@dataclass
class _Schemas:
    """The tables of each schema, and the privileges of each role, read once per transaction."""

    disguise: Disguise
    sweep: Sweep
    relations: dict[str, list[tuple[Relation, CanaryRow | None]]] = field(default_factory=dict)
    reached: dict[tuple[str, str | None], list[Reached]] = field(default_factory=dict)

    def reached_by(self, party: Party) -> list[Reached]:
        """Return all tables of the database that a tenant's role may use."""
        roles = party.login_role, party.placement.role
        if roles not in self.reached:
            self.disguise.act_as(party)
            self.reached[roles] = reached_relations(self.disguise.raw)
        return self.reached[roles]

    def tables_of(self, party: Party) -> list[Table]:
        """Return the tables of a tenant's schema with what its role may do."""
        schema = party.record.schema
        privileges = {
            each.name: each.privileges for each in self.reached_by(party) if each.schema == schema
        }
        if schema not in self.relations:
            self.disguise.act_as_administrator()
            self.relations[schema] = list(self._composed(schema, party))
        return [
            Table(relation, row, privileges.get(relation.name, frozenset()))
            for relation, row in self.relations[schema]
        ]

    def _composed(self, schema: str, party: Party) -> Iterator[tuple[Relation, CanaryRow | None]]:
        for relation in relations_in(self.disguise.raw, schema):
            row = None
            if relation.is_planted:
                try:
                    row = compose_canary(relation)
                except NoCanaryError as error:
                    self.sweep.doubt(party.slug, None, PLANT, f"{relation.label}: {error}")
            yield relation, row


def number_of_batches(place: Place) -> int:
    """Return how many transactions the sweep of a database takes."""
    return -(-len(place.parties) // ATTACKERS_PER_TRANSACTION)


def sweep_database(
    sweep: Sweep, place: Place, elsewhere: Sequence[Party], deadline: float
) -> Iterator[None]:
    """Attack the sweep's victims as each tenant of the database, and yield after each batch.

    Every batch of attackers has one transaction, in which all canary rows are planted, and which is
    rolled back. `elsewhere` are tenants of other databases.
    """
    numbered = list(enumerate(place.parties))
    for start in range(0, len(numbered), ATTACKERS_PER_TRANSACTION):
        started = time.monotonic()
        if started > deadline:
            sweep.doubt_all(OUT_OF_TIME)
            return
        batch = numbered[start : start + ATTACKERS_PER_TRANSACTION]
        try:
            with disguised(place.server, place.database) as disguise:
                _attack(sweep, disguise, place, batch, elsewhere)
        except psycopg2.Error as error:
            sweep.doubt_all(f"the sweep was stopped by {type(error).__name__}")
            return
        finally:
            sweep.seconds += time.monotonic() - started
        yield


def _attack(
    sweep: Sweep,
    disguise: Disguise,
    place: Place,
    batch: Sequence[tuple[int, Party]],
    elsewhere: Sequence[Party],
) -> None:
    """Let each tenant of the batch write its own rows, plant all canary rows, and attack."""
    schemas = _Schemas(disguise, sweep)
    is_shared = batch[0][1].tier.shares_tables
    attackers = []
    for number, party in batch:
        with _failing_alone(sweep, disguise, party), disguise.undone():
            others = [each for each in sweep.victims if each.tenant.id != party.tenant.id]
            tables = schemas.tables_of(party)
            attacker = Attacker(party, number, others, elsewhere, tables, disguise, sweep)
            # Before any row is planted, because a trigger may write the same row each time.
            write_own_rows(attacker)
            attackers.append(attacker)
    if is_shared:
        _plant_all(disguise, schemas, [attacker.party for attacker in attackers], sweep)
    for attacker in () if is_shared else attackers:
        with _failing_alone(sweep, disguise, attacker.party):
            plant(disguise, attacker.party, planted_tables(attacker.tables), sweep)
    owners = {} if is_shared else {party.record.schema: party for party in place.parties}
    prepared_without: set[str] | None = None
    for attacker in attackers:
        if prepared_without != sweep.suspects:
            prepare_reads(attackers[0])
            prepared_without = set(sweep.suspects)
        with _failing_alone(sweep, disguise, attacker.party), disguise.undone():
            look_beyond(attacker, schemas.reached_by(attacker.party), owners)
            if attacker is not attackers[0]:
                read_prepared(attacker, attackers[0].party)
            for attack in ATTACKS:
                attack(attacker)
            sweep.tables.update(table.label for table in attacker.tables)
            sweep.pairs += len(attacker.others)


def _plant_all(
    disguise: Disguise, schemas: _Schemas, attacking: Sequence[Party], sweep: Sweep
) -> None:
    """Plant the canary rows of all victims, and of the attackers, in the tables that they share."""
    parties = {party.tenant.id: party for party in (*sweep.victims, *attacking)}
    for party in attacking[:1]:
        tables = planted_tables(schemas.tables_of(party))
        with _failing_alone(sweep, disguise, party):
            plant_together(disguise, list(parties.values()), tables, sweep)


@contextmanager
def _failing_alone(sweep: Sweep, disguise: Disguise, party: Party) -> Iterator[None]:
    """Record an error as a doubt about one tenant, unless the connection is lost."""
    try:
        yield
    except psycopg2.Error as error:
        if disguise.raw.closed:
            raise
        reason = f"it cannot act in {party.record.database} (SQLSTATE {error.pgcode})"
        sweep.doubt(party.slug, None, "act as this tenant", reason)
