"""Create the same tenants, members and patients for every app."""

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from psycopg2 import sql
from sqlalchemy import URL, create_engine, insert, make_url, text
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from benchmarks.installation import Installation
from benchmarks.peers.environment import PYTHON, EnvironmentMissingError
from benchmarks.peers.issuer import AppSettings
from benchmarks.peers.tables import Base, LeanPatient, Member, Patient, with_types
from benchmarks.seeding import describe_patient
from benchmarks.twin import SLUG, create_twin_database
from trially.auth.members.managing import add_member
from trially.auth.roles import Role
from trially.config import ROOT
from trially.database.session import db
from trially.state import state_of
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.context import tenant_context
from trially.tenancy.lifecycle.provisioning import create_tenant
from trially.tenancy.servers.access import server_access
from trially.tenancy.servers.connections import execute

ROLE = "peers"
PASSWORD = "a password of the benchmarks"

_FILL = """
INSERT INTO {schema}.patient (tenant_id, {columns})
SELECT %s, {columns} FROM jsonb_to_recordset(%s) AS patient(id uuid, source_id text, mrn text,
    given_name text, family_name text, birth_date date, birth_date_precision text, sex text,
    phone text, email text, address jsonb)
"""


@dataclass(frozen=True)
class Population:
    """What the requests to all apps are made of."""

    patient_ids: list[UUID]
    """The same in every tenant."""
    subjects: list[str]
    """The member of each tenant. In an app for one tenant, they are its members."""
    patients: list[dict[str, Any]]

    def name_host(self, number: int) -> str:
        """Return the domain by which django-tenants finds a tenant."""
        return f"clinic-{number}.example.test"

    def name_tenant(self, number: int) -> str:
        """Return the name by which fastapi-tenancy finds a tenant."""
        return f"clinic-{number}"


def make_population(tenants: int, patients: int) -> Population:
    """Return members and patients. They are not stored yet."""
    patient_ids = [uuid7() for _ in range(patients)]
    return Population(
        patient_ids,
        [f"member|{number}" for number in range(tenants)],
        [
            json.loads(json.dumps(describe_patient(number, patient_id), default=str))
            for number, patient_id in enumerate(patient_ids)
        ],
    )


def slug_of(tier: Tier, number: int) -> str:
    """Return the slug of one of trially's tenants."""
    return f"{tier.replace('_', '-')}-{number}"


def populate_trially(
    installed: Installation, tiers: Sequence[Tier], population: Population
) -> None:
    """Create trially's tenants in each tier, and the twin with all members."""
    with installed.app.app_context():
        twin = create_twin_database()
        _fill(twin, SLUG, population.subjects, population)
        for tier in tiers:
            for number, subject in enumerate(population.subjects):
                slug = slug_of(tier, number)
                _fill(create_tenant(slug, slug, tier=tier), slug, [subject], population)
        for engine in db.engines.values():
            engine.dispose()


def populate_conventional(installed: Installation, population: Population) -> AppSettings:
    """Create the database of the apps for one tenant."""
    settings = create_database(installed, "conventional")
    engine = create_engine(make_url(settings.database_url).set(drivername="postgresql+psycopg2"))
    Base.metadata.create_all(engine)
    patients = [with_types(values) for values in population.patients]
    lean = {column.name for column in LeanPatient.__table__.columns}
    with Session(engine) as session:
        session.execute(insert(Member), _members(settings, population))
        session.execute(insert(Patient), patients)
        session.execute(
            insert(LeanPatient),
            [{name: one[name] for name in one.keys() & lean} for one in patients],
        )
        session.execute(text("ANALYZE"))
        session.commit()
    engine.dispose()
    return settings


def populate_peer(
    installed: Installation,
    database: str,
    module: str,
    population: Population,
    **variables: str,
) -> dict[str, str]:
    """Run a peer's own script that creates its tenants, and return its environment variables."""
    settings = create_database(installed, database)
    environment = {**installed.environment, **settings.to_environment(), **variables}
    described = {
        "tenants": [
            {
                "slug": population.name_tenant(number),
                "host": population.name_host(number),
                "member": member,
            }
            for number, member in enumerate(_members(settings, population))
        ],
        "patients": population.patients,
    }
    finished = subprocess.run(
        [str(PYTHON), "-m", module],
        input=json.dumps(described),
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if finished.returncode:
        lines = finished.stderr.splitlines() or ["no message"]
        last = next((line for line in reversed(lines) if "Error" in line), lines[-1])
        raise EnvironmentMissingError(f"its tenants could not be created: {last}")
    return environment


def create_database(installed: Installation, name: str) -> AppSettings:
    """Create a database of the peers' role, to which row-level security applies."""
    with installed.app.app_context(), server_access().administer() as raw:
        if not execute(raw, "SELECT 1 FROM pg_roles WHERE rolname = %s", ROLE):
            made = sql.SQL("CREATE ROLE {} LOGIN CREATEDB PASSWORD {}")
            execute(raw, made.format(sql.Identifier(ROLE), sql.Literal(PASSWORD)))
        made = sql.SQL("CREATE DATABASE {} OWNER {}")
        execute(raw, made.format(sql.Identifier(name), sql.Identifier(ROLE)))
        administrator = server_access().administrator_url()
    url = administrator.set(
        drivername="postgresql", username=ROLE, password=PASSWORD, database=name
    )
    issuer = state_of(installed.app).dev_issuer
    return AppSettings(_render(url), issuer.url, issuer.audience, issuer.public_keys())


def _render(url: URL) -> str:
    return url.render_as_string(hide_password=False)


def _fill(tenant: Tenant, slug: str, subjects: list[str], population: Population) -> None:
    """Add members and patients to one tenant, and write statistics of its tables."""
    with tenant_context(slug):
        for subject in subjects:
            add_member(subject, Role.COORDINATOR)
    place = tenant.placement
    columns = sql.SQL(", ").join(map(sql.Identifier, population.patients[0]))
    with server_access().administer(place.database) as raw:
        execute(
            raw,
            sql.SQL(_FILL).format(schema=sql.Identifier(place.schema), columns=columns),
            str(tenant.id),
            json.dumps(population.patients),
        )
        execute(raw, sql.SQL("ANALYZE {}.patient").format(sql.Identifier(place.schema)))


def _members(settings: AppSettings, population: Population) -> list[dict[str, str]]:
    return [
        {"issuer": settings.issuer, "subject": subject, "role": "coordinator"}
        for subject in population.subjects
    ]
