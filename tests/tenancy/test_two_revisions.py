"""This version serves tenants at its revision and at the one before, and no others."""

from collections.abc import Iterator
from typing import Any

import pytest
from fleets import Fleet
from sqlalchemy import func, insert, select, update
from sqlalchemy.orm import aliased

from trially.database import since as marks
from trially.database.changes import note_derived
from trially.database.placement import OutdatedTenantError
from trially.database.rows import table_of
from trially.database.session import db, rolled_back
from trially.recruiting.sites.model import Site
from trially.recruiting.studies.model import Study
from trially.state import state_of
from trially.tenancy.catalog import PlacementRecord
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.context import tenant_context
from trially.tenancy.schema.lineages import TENANT_LINEAGE
from trially.tenancy.schema.revision_files import newest_revision

HEAD = newest_revision(TENANT_LINEAGE)
BEFORE, LONG_BEFORE = (f"{int(HEAD) - number:04d}" for number in (1, 2))
PAIRS = (("dedicated-one", "dedicated-two"), ("schema-one", "schema-two"))
MERGE_PATCH = "application/merge-patch+json"
OF_ALL_TIERS = ("dedicated-one", "schema-one", "pooled-one")


@pytest.fixture
def at_revision(fleet: Fleet) -> Iterator[Any]:
    """Record a revision of a tenant, as a migration does."""

    def record(slug: str, revision: str | None) -> None:
        placement_id = fleet.tenants[slug].placement.id
        with fleet.app.app_context(), catalog_transaction() as session:
            session.execute(
                update(PlacementRecord)
                .where(PlacementRecord.id == placement_id)
                .values(revision=revision)
            )
            state_of(fleet.app).directory.forget(fleet.tenants[slug].id)

    yield record
    for slug in fleet.tenants:
        record(slug, HEAD)


@pytest.fixture
def new_column(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the column `city` of sites be the one that the newest migration adds."""
    monkeypatch.setitem(table_of(Site).c.city.info, marks.SINCE, HEAD)
    marks.lacking_at.cache_clear()
    yield
    monkeypatch.undo()
    marks.lacking_at.cache_clear()


@pytest.fixture
def older(fleet: Fleet, at_revision: Any, new_column: None) -> Iterator[Any]:
    """Take the new column from a tenant's tables, which other tenants may share."""
    taken = []

    def take(slug: str) -> None:
        place = fleet.tenants[slug].placement
        fleet.administer(f"ALTER TABLE {place.schema}.site RENAME COLUMN city TO not_yet", of=slug)
        taken.append(slug)
        for other, tenant in fleet.tenants.items():
            if (tenant.placement.database, tenant.placement.schema) == (
                place.database,
                place.schema,
            ):
                at_revision(other, BEFORE)

    yield take
    for slug in taken:
        schema = fleet.tenants[slug].placement.schema
        fleet.administer(f"ALTER TABLE {schema}.site RENAME COLUMN not_yet TO city", of=slug)


class Api:
    """The API as the owner of one tenant."""

    def __init__(self, fleet: Fleet, slug: str) -> None:
        issuer = state_of(fleet.app).dev_issuer
        token = issuer.issue_token(subject=f"owner|{slug}", tenant=slug)
        self._client = fleet.app.test_client()
        self._headers = {"Authorization": f"Bearer {token}"}

    def __call__(self, method: str, path: str, **options: Any) -> Any:
        headers = {**self._headers, **options.pop("headers", {})}
        return self._client.open(f"/api/v1{path}", method=method, headers=headers, **options)


@pytest.mark.parametrize(("behind", "newer"), [*PAIRS, ("pooled-one", "dedicated-two")])
def test_the_revision_before_is_served_without_the_new_column(
    fleet: Fleet, older: Any, behind: str, newer: str
) -> None:
    older(behind)
    for slug in (behind, newer):
        api = Api(fleet, slug)
        created = api("POST", "/sites", json={"name": f"Second {behind}"})
        assert created.status_code == 201, created.json
        assert created.json["city"] is None
        path = f"/sites/{created.json['id']}"
        assert api("GET", path).json["name"] == f"Second {behind}"
        listed = {site["id"]: site["city"] for site in api("GET", "/sites").json["data"]}
        assert listed[created.json["id"]] is None
        assert slug != behind or set(listed.values()) == {None}
        tag = {"If-Match": created.json["etag"], "Content-Type": MERGE_PATCH}
        changed = api("PATCH", path, json={"name": f"New {behind}", "city": None}, headers=tag)
        assert (changed.status_code, changed.json.get("name")) == (200, f"New {behind}"), (
            changed.json
        )
        tag["If-Match"] = changed.json["etag"]
        expected = "database_outdated" if slug == behind else None
        for answer in (
            api("POST", "/sites", json={"name": f"Third {behind}", "city": "Omaha"}),
            api("PATCH", path, json={"city": "Omaha"}, headers=tag),
        ):
            assert (answer.status_code == 503, answer.json.get("code")) == (
                expected is not None,
                expected,
            )


@pytest.mark.parametrize("slug", OF_ALL_TIERS)
def test_every_form_of_a_statement_works_without_the_new_column(
    fleet: Fleet, older: Any, slug: str
) -> None:
    older(slug)
    table, other = table_of(Site), aliased(Site)
    inner = select(table.c.name, table.c.city).cte()
    with fleet.app.app_context(), tenant_context(slug), rolled_back():
        db.session.add(Site(name="By the session"))
        db.session.flush()
        site = db.session.scalars(select(Site).where(Site.name == "By the session")).one()
        site.name = "Changed"
        db.session.flush()
        db.session.expire_all()
        found = db.session.get_one(Site, (site.tenant_id, site.id))
        assert (found.name, found.city) == ("Changed", None)
        rows = select(Site.city, func.coalesce(Site.city, Site.name)).where(Site.id == site.id)
        assert db.session.execute(rows).all() == [(None, "Changed")]
        assert db.session.scalars(select(other).where(other.city == "Omaha")).all() == []
        assert db.session.scalars(select(inner.c.city).order_by(inner.c.city)).unique().all() == [
            None
        ]
        many = [{"name": name, "tenant_id": site.tenant_id} for name in ("One", "Two")]
        added = db.session.scalars(insert(Site).returning(Site), many).all()
        assert [each.city for each in added] == [None, None]
        one = update(Site).where(Site.id == site.id).values(city=None, name="By a statement")
        assert db.session.execute(one).rowcount == 1  # type: ignore[attr-defined]
        for lost in (
            insert(Site).values(name="Lost", city="Omaha"),
            update(Site).values(city="Omaha"),
        ):
            with pytest.raises(OutdatedTenantError):
                db.session.execute(lost)
        with pytest.raises(OutdatedTenantError):
            db.session.execute(insert(Site), [{"name": "Lost", "city": "Omaha"}])
        found.city = "Omaha"
        with pytest.raises(OutdatedTenantError):
            db.session.flush()
        note_derived("site")


def test_a_new_column_has_its_default_and_a_new_table_is_refused(
    fleet: Fleet, older: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(table_of(Site).c.version.info, marks.SINCE, HEAD)
    monkeypatch.setitem(table_of(Study).info, marks.SINCE, HEAD)
    older("dedicated-one")
    with fleet.app.app_context(), tenant_context("dedicated-one"):
        assert set(db.session.scalars(select(Site.version).where(Site.version == 1))) == {1}
        with pytest.raises(OutdatedTenantError):
            db.session.execute(select(Study.id))
    answer = Api(fleet, "dedicated-one")("GET", "/studies")
    assert (answer.status_code, answer.json["code"]) == (503, "database_outdated")
    assert Api(fleet, "dedicated-two")("GET", "/studies").status_code == 200


@pytest.mark.parametrize(
    ("revision", "status"),
    [(HEAD, 200), (BEFORE, 200), (LONG_BEFORE, 503), ("of another", 503), ("9999", 200)],
)
def test_older_revisions_are_refused_with_a_code_of_their_own(
    fleet: Fleet, at_revision: Any, revision: str, status: int
) -> None:
    api = Api(fleet, "dedicated-one")
    at_revision("dedicated-one", revision)

    answer = api("GET", "/sites")

    assert answer.status_code == status
    if status == 503:
        assert answer.json["code"] == "database_outdated"
        assert "Retry-After" in answer.headers
        assert revision not in answer.text
        result = fleet.run("imports", "list", "dedicated-one")
        assert result.exit_code == 1
        assert "Run `flask tenants migrate dedicated-one`." in result.stderr
    assert Api(fleet, "dedicated-two")("GET", "/sites").status_code == 200


def test_a_marked_column_can_be_left_out_of_an_insert() -> None:
    """A default of Python's would name the column, and NOT NULL needs one of the database's."""
    from trially.database.model import TenantModel

    for table in TenantModel.metadata.tables.values():
        for column in table.c:
            if marks.SINCE in column.info:
                assert column.default is None
                assert column.nullable or column.server_default is not None
