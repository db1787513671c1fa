"""This version serves tenants at its revision and at the one before, and no others."""

from collections.abc import Iterator
from typing import Any

import pytest
from fleets import Fleet
from sqlalchemy import update

from trially.database import since as marks
from trially.database.rows import table_of
from trially.recruiting.sites.model import Site
from trially.state import state_of
from trially.tenancy.catalog import PlacementRecord, catalog_transaction
from trially.tenancy.schema.lineages import TENANT_LINEAGE
from trially.tenancy.schema.revision_files import newest_revision

HEAD = newest_revision(TENANT_LINEAGE)
BEFORE, LONG_BEFORE = (f"{int(HEAD) - number:04d}" for number in (1, 2))
BOTH = (("dedicated-one", "dedicated-two"), ("schema-one", "schema-two"))


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
    marks._marks.cache_clear()
    yield
    monkeypatch.undo()
    marks._marks.cache_clear()


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


@pytest.mark.usefixtures("new_column")
@pytest.mark.parametrize(("older", "newer"), BOTH)
def test_the_revision_before_is_served_without_the_new_column(
    fleet: Fleet, at_revision: Any, older: str, newer: str
) -> None:
    apis = {slug: Api(fleet, slug) for slug in (older, newer)}
    schema = fleet.tenants[older].placement.schema
    fleet.administer(f"ALTER TABLE {schema}.site RENAME COLUMN city TO not_yet", of=older)
    at_revision(older, BEFORE)
    try:
        for slug, api in apis.items():
            created = api("POST", "/sites", json={"name": f"Second {slug}"})
            assert created.status_code == 201, created.json
            assert created.json["city"] is None
            path = f"/sites/{created.json['id']}"
            assert api("GET", path).json["name"] == f"Second {slug}"
            listed = api("GET", "/sites").json["data"]
            assert {site["city"] for site in listed} == {None}
            tag = {
                "If-Match": created.json["etag"],
                "Content-Type": "application/merge-patch+json",
            }
            changed = api("PATCH", path, json={"name": "Renamed"}, headers=tag)
            assert (changed.status_code, changed.json.get("name")) == (200, "Renamed"), changed.json
            with_city = api("POST", "/sites", json={"name": "Third", "city": "Omaha"})
            expected = (503, "database_outdated") if slug == older else (201, None)
            assert (with_city.status_code, with_city.json.get("code")) == expected
    finally:
        fleet.administer(f"ALTER TABLE {schema}.site RENAME COLUMN not_yet TO city", of=older)


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
