"""An attacker: one tenant in a database, with the tables that it may use and its victims there."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from uuid import UUID

import psycopg2
from psycopg2 import errors, sql

from trially.proving.attempts import Party
from trially.proving.sweeps.canary_rows import CANARY_ID, CanaryRow, canary_id
from trially.proving.sweeps.disguises import Disguise
from trially.proving.sweeps.relations import Relation
from trially.proving.sweeps.results import Sweep
from trially.tenancy.tiers.tenant_tables import TENANT_CHECK

POLICY, CHECK, GRANTS = "row-level security", f"CHECK {TENANT_CHECK}", "privileges"


@dataclass(frozen=True)
class Table:
    """A table or view of a tenant, and what the tenant's role may do with it."""

    relation: Relation
    row: CanaryRow | None
    """The canary row; None for what no row is inserted into."""

    privileges: frozenset[str]

    @property
    def label(self) -> str:
        """The qualified name, for reports."""
        return self.relation.label

    def allows(self, *privileges: str) -> bool:
        """Return whether the role has all these privileges."""
        return self.privileges.issuperset(privileges)


@dataclass(frozen=True)
class Attacker:
    """A tenant that attacks all others of its database at once."""

    party: Party
    number: int
    """Its number in the database. It decides which of the others single statements name."""

    others: Sequence[Party]
    """The victims in the same database."""

    elsewhere: Sequence[Party]
    """Tenants in other databases, whose ids are tried if there is no victim in this one."""

    tables: Sequence[Table]
    disguise: Disguise
    sweep: Sweep

    @property
    def run_id(self) -> UUID:
        """The run, which the ids of canary rows derive from."""
        return self.sweep.run_id

    @property
    def tenant_id(self) -> str:
        """The tenant's id as text."""
        return str(self.party.tenant.id)

    @property
    def shares_tables(self) -> bool:
        """Whether its tables hold the rows of other tenants too."""
        return self.party.tier.shares_tables

    @property
    def wall(self) -> str:
        """The wall between the rows of the tenant and those of others."""
        return POLICY if self.shares_tables else "tables of its own"

    @cached_property
    def canary_id(self) -> UUID:
        """The id of its canary rows."""
        return canary_id(self.run_id, self.party.tenant.id)

    @cached_property
    def names(self) -> dict[str, sql.Composable]:
        """What the SQL of the attacks refers to by name."""
        run_id = sql.Literal(str(self.run_id))
        return {
            "me": sql.Literal(self.tenant_id),
            "canary": sql.Literal(str(self.canary_id)),
            "their_canary": CANARY_ID.format(run_id=run_id),
        }

    @cached_property
    def their_canaries(self) -> sql.Composable:
        """A SELECT of the keys of the canary rows of all others."""
        ids = [other.tenant.id for other in self.others]
        return sql.SQL("SELECT * FROM unnest({}::uuid[], {}::uuid[])").format(
            sql.Literal([str(tenant_id) for tenant_id in ids]),
            sql.Literal([str(canary_id(self.run_id, tenant_id)) for tenant_id in ids]),
        )

    def victim(self, step: int) -> Party | None:
        """Return one of the others in turn, or a tenant of another database if there is none."""
        choice = self.others or self.elsewhere
        return choice[(self.number + step) % len(choice)] if choice else None

    def act(self) -> None:
        """Act as this tenant."""
        self.disguise.act_as(self.party)

    def slugs_of(self, tenant_ids: Iterable[object]) -> list[str]:
        """Return the slugs of tenants, or the id of one that the catalog places elsewhere."""
        known = (self.party, *self.others, *self.elsewhere)
        slugs = {str(each.tenant.id): each.slug for each in known}
        return [slugs.get(str(tenant_id), str(tenant_id)) for tenant_id in tenant_ids]

    def breach(self, tenant_ids: Iterable[object], path: str, what: str) -> None:
        """Record that rows of these tenants were reached."""
        remedy = (
            f"Check in the database {self.party.record.database} that {self.party.tier.walls}, and"
            " that no trigger, rule or function passes the walls. `flask doctor` lists differences."
        )
        for slug in self.slugs_of(tenant_ids):
            self.sweep.breach(slug, self.party, path, what, remedy)

    def doubt(self, path: str, table: Table, error: psycopg2.Error) -> None:
        """Record that an attempt failed for another reason than a wall."""
        reason = f"SQLSTATE {error.pgcode} in {table.label}"
        for victim in self.others or (self.party,):
            self.sweep.doubt(victim.slug, self.party, path, reason)


def wall_of(error: psycopg2.Error) -> str | None:
    """Return the wall that refused a statement, or None if no wall did."""
    if isinstance(error, errors.InsufficientPrivilege):
        return POLICY if "row-level security" in str(error) else GRANTS
    if isinstance(error, errors.CheckViolation):
        return CHECK if error.diag.constraint_name == TENANT_CHECK else None
    if isinstance(error, errors.FeatureNotSupported):
        return POLICY if "row-level security" in str(error) else None
    return None
