"""The demo is migrated, seeded once and kept, however often and wherever it is started."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

import pytest
from flask import Flask
from flask_migrate import downgrade
from sqlalchemy import Connection, text
from tenant_databases import access_of, remove_installation

from trially import create_app
from trially.auth.members.managing import add_member, default_issuer, list_members
from trially.auth.revocation import revoke_tokens
from trially.auth.roles import Role
from trially.config import current_settings
from trially.demo import preparing
from trially.demo.organisations import DEMO_ORGANISATIONS
from trially.demo.preparing import SLUGS, prepare
from trially.dev_issuer import PATH
from trially.state import state_of
from trially.tenancy.catalog import PlacementRecord, Tenant
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.context import tenant_context
from trially.tenancy.directory import directory
from trially.tenancy.lifecycle.provisioning import create_tenant
from trially.tenancy.lifecycle.status import resume_tenant, suspend_tenant
from trially.tenancy.schema.databases import as_owner
from trially.tenancy.schema.migration_commands import init_migrations
from trially.tenancy.schema.revision_files import TENANT_LINEAGE, revisions_of
from trially.tenancy.servers.access import server_access

FIRST, SECOND, THIRD = SLUGS


@pytest.fixture(scope="module")
def few_patients() -> Iterator[None]:
    few = tuple(replace(organisation, patients=2) for organisation in DEMO_ORGANISATIONS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(preparing, "DEMO_ORGANISATIONS", few)
        yield


def prepared(app: Flask) -> tuple[dict[str, str], list[str]]:
    """Prepare the demo, and return the failures and the sentences that were reported."""
    sentences: list[str] = []
    with app.app_context():
        return prepare(state_of(app).dev_issuer, sentences.append), sentences


@pytest.fixture(scope="module")
def demo_app(settings, app, few_patients) -> Iterator[Flask]:
    """A demo of its own, which two processes prepared for the first time at once."""
    url = access_of(app).admin_url
    own = replace(settings, database_url=url, catalog_database="demo_of_tests")
    apps = [create_app(own), create_app(own)]
    try:
        with ThreadPoolExecutor() as pool:
            results = list(pool.map(prepared, apps))
        assert [failures for failures, _ in results] == [{}, {}]
        sentences = [sentence for _, each in results for sentence in each]
        assert sentences.count(f"Creating tenant {FIRST} …") == 1
        yield apps[0]
    finally:
        remove_installation(app, "demo_of_tests")


def at(app: Flask, url: str) -> Flask:
    """Return an app of the same installation with another public URL."""
    with app.app_context():
        return create_app(replace(current_settings(), public_url=url))


def members_of(app: Flask, slug: str) -> list[dict[str, str]]:
    """Return a tenant's members as the API lists them to a demo person."""
    issuer = state_of(app).dev_issuer
    organisation = next(one for one in DEMO_ORGANISATIONS if one.slug == slug)
    person = next(one for one in organisation.people if one.role == "owner")
    token = issuer.issue_token(subject=person.subject, tenant=slug)
    answer = app.test_client().get(
        "/api/v1/members?limit=100", headers={"Authorization": f"Bearer {token}"}
    )
    assert answer.status_code == 200, answer.text
    return answer.json["data"]


def test_a_second_start_changes_nothing(demo_app):
    assert prepared(demo_app) == ({}, [])


def test_demo_people_stay_single_at_every_port(demo_app):
    before = members_of(demo_app, FIRST)

    for port in (5001, 5411):
        url = f"http://127.0.0.1:{port}"
        elsewhere = at(demo_app, url)
        assert prepared(elsewhere) == ({}, [])
        after = members_of(elsewhere, FIRST)
        assert {member["issuer"] for member in after} == {url + PATH}
        assert [member["id"] for member in after] == [member["id"] for member in before]

    # A server at the first port goes on.
    now = members_of(demo_app, FIRST)
    changed = {
        name for old, new in zip(before, now, strict=True) for name in old if old[name] != new[name]
    }
    assert changed <= {"etag", "updated_at"}


def test_demo_people_stay_single_at_an_explicit_url(demo_app, monkeypatch):
    before = members_of(demo_app, FIRST)
    monkeypatch.setenv("TRIALLY_PUBLIC_URL", "http://localhost:5402")
    explicit = at(demo_app, "http://localhost:5402")
    with explicit.app_context():
        # Left behind by an earlier start: the same people once more, and a tenant of one's own.
        create_tenant("acme", "Acme")
    add_to(explicit, FIRST, DEMO_ORGANISATIONS[0].people[0].subject, "http://127.0.0.1:5401")
    add_to(explicit, "acme", "someone", "http://[::1]:5401")
    add_to(explicit, "acme", "elsewhere", "https://login.example.org")

    assert prepared(explicit) == ({}, [])

    after = members_of(explicit, FIRST)
    assert Counter(one["subject"] for one in after) == Counter(one["subject"] for one in before)
    assert {one["issuer"] for one in after} == {f"http://localhost:5402{PATH}"}
    with explicit.app_context(), tenant_context("acme"):
        issuers = {one["subject"]: one["issuer"] for one in list_members()}
    assert issuers == {
        "someone": f"http://localhost:5402{PATH}",
        "elsewhere": f"https://login.example.org{PATH}",
    }
    monkeypatch.delenv("TRIALLY_PUBLIC_URL")
    assert prepared(demo_app) == ({}, [])
    assert {one["id"] for one in members_of(demo_app, FIRST)} == {one["id"] for one in before}


def add_to(app: Flask, slug: str, subject: str, url: str) -> None:
    with app.app_context(), tenant_context(slug):
        add_member(subject, Role.VIEWER, issuer=url + PATH)


def test_revocations_hold_at_every_port(demo_app):
    issuer = state_of(demo_app).dev_issuer
    subject = DEMO_ORGANISATIONS[1].people[0].subject
    token = issuer.issue_token(subject=subject, tenant=SECOND, lifetime_seconds=60)
    elsewhere = at(demo_app, "http://127.0.0.1:5403")
    with elsewhere.app_context():
        revoke_tokens(SECOND, subject=subject, issuer=default_issuer())
    with demo_app.app_context():
        directory().forget(directory().find(SECOND).tenant_id)

    answer = demo_app.test_client().get("/api/v1/me", headers={"Authorization": f"Bearer {token}"})

    assert answer.status_code == 401


def test_tenants_that_are_behind_are_migrated_and_one_broken_tenant_stops_none(demo_app):
    former, head = sorted(revisions_of(TENANT_LINEAGE))[-2:]
    with demo_app.app_context():
        init_migrations(demo_app)
        downgrade(directory=str(TENANT_LINEAGE), revision=former)
    with _tables_of(demo_app, SECOND) as (owned, schema):
        owned.execute(text(f"ALTER TABLE {schema}.alembic_version RENAME TO mislaid"))
        owned.commit()

    failures, sentences = prepared(demo_app)

    assert set(failures) == {SECOND}
    assert "so the revision of its tables is unknown" in failures[SECOND]
    migrated = [
        sentence for sentence in sentences if sentence.endswith(f"from {former} to {head}.")
    ]
    assert any(FIRST in sentence for sentence in migrated)
    assert any(THIRD in sentence for sentence in migrated)
    assert members_of(demo_app, FIRST)
    with _tables_of(demo_app, SECOND) as (owned, schema):
        owned.execute(text(f"ALTER TABLE {schema}.mislaid RENAME TO alembic_version"))
        owned.commit()
    failures, sentences = prepared(demo_app)
    assert (failures, len(sentences)) == ({}, 1)
    assert SECOND in sentences[0]


def test_a_suspended_tenant_is_named_and_stops_no_other(demo_app):
    with demo_app.app_context():
        suspend_tenant(THIRD)

    failures, _ = prepared(demo_app)

    assert set(failures) == {THIRD}
    assert "suspended" in failures[THIRD]
    with demo_app.app_context():
        resume_tenant(THIRD)
    assert prepared(demo_app) == ({}, [])


@contextmanager
def _tables_of(app: Flask, slug: str) -> Iterator[tuple[Connection, str]]:
    with app.app_context():
        with catalog_transaction() as session:
            record = session.query(PlacementRecord).join(Tenant).filter(Tenant.slug == slug).one()
        with as_owner(server_access(), record.database) as owned:
            yield owned, record.schema
