import json
from collections.abc import Iterator

import pytest
from psycopg2 import errors
from sqlalchemy import select
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.orm import Session
from standbys import SERVED_TIERS, ask, install_on, server_folder, start, text_of, url_of

from trially.config import DRIVER
from trially.keys import SecretKeys
from trially.tenancy.catalog import PlacementRecord, ServerPassword
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.catalog_sessions import catalog_transaction, reader_engine
from trially.tenancy.recorded_keys import WrongSecretKeyError
from trially.tenancy.servers.access import NoServerError, server_access
from trially.tenancy.servers.choice import NoFittingServerError
from trially.tenancy.servers.sealing import UnsealableError, unseal_password

SECOND = "second"


class Fleet:
    """Two servers and an installation on the first, to which the second is yet to be added."""

    def __init__(self, folder, settings):
        self.first = start(folder / "first")
        self.second = start(folder / "second")
        self.settings, self.folder = settings, folder
        self.installation = self.another_process()

    def another_process(self, **changes):
        return install_on(self.first.url(), self.settings, self.folder, **changes)

    def run(self, *arguments, says=""):
        return self.installation.run("servers", *arguments, says=says)

    def add(self, *options, name=SECOND):
        return self.run("add", name, "--url", "-", *options, says=f"{text_of(self.second.url())}\n")

    def show(self, name=SECOND):
        return json.loads(self.run("show", name, "--json").output)

    def place(self, **options):
        """Create a tenant, and return the name of its server."""
        return self.installation.make_tenant(**options).placement.server.name


@pytest.fixture(scope="module")
def servers(settings) -> Iterator[Fleet]:
    with server_folder() as folder:
        yield Fleet(folder, settings)


@pytest.fixture
def fleet(servers):
    """The two servers, of which the second is not added and the first takes all."""
    yield servers
    with servers.installation.app.app_context(), catalog_transaction() as session:
        for record in session.scalars(select(PlacementRecord)):
            if record.server.name == SECOND:
                session.delete(record)
    servers.run("remove", SECOND, "--yes")
    servers.run("resume", "default")
    servers.run("change", "default", "--region", "home")


def test_a_server_is_added_shown_listed_and_removed(fleet):
    added = fleet.add("--region", "eu", "--capacity", "40", "--tier", "pooled_rows", "--json")
    item = json.loads(added.output)

    assert added.exit_code == 0
    assert item == fleet.show()
    assert item["version"].split(".")[0].isdecimal()
    assert {key: item[key] for key in ("name", "state", "region", "capacity", "tiers")} == {
        "name": SECOND,
        "state": "active",
        "region": "eu",
        "capacity": 40,
        "tiers": ["pooled_rows"],
    }
    assert (item["reachable"], item["tenants"], item["tenants_by_tier"]) == (True, 0, {})
    listed = json.loads(fleet.run("list", "--json").output)
    assert [each["name"] for each in listed] == ["default", SECOND]
    assert [line.split()[:2] for line in fleet.run("list").output.splitlines()[1:]] == [
        ["default", "active"],
        [SECOND, "active"],
    ]
    assert fleet.run("remove", SECOND, "--yes").output == f"Removed the server {SECOND}.\n"
    assert fleet.run("show", SECOND).output == (
        f"Error: The server {SECOND!r} does not exist. `flask servers list` shows all servers.\n"
    )


def test_the_administrators_password_is_sealed_and_never_shown(fleet):
    results = [fleet.add(), fleet.run("list", "--json"), fleet.run("show", SECOND)]

    rows = ask(fleet.first, "SELECT server::text FROM catalog.server", database="trially_catalog")
    with fleet.installation.app.app_context():
        with catalog_transaction() as session:
            sealed = session.scalars(select(ServerPassword.sealed)).one()
        with server_access(SECOND).administer() as raw:
            assert raw.info.user == "postgres"
    password = fleet.second.password
    assert password.encode() not in sealed
    assert not any(password in text for text in (*(each.output for each in results), str(rows)))


def test_request_handling_may_not_read_the_password(fleet):
    fleet.add()

    with (
        fleet.installation.app.app_context(),
        Session(reader_engine()) as session,
        pytest.raises(ProgrammingError) as refused,
    ):
        session.scalars(select(ServerPassword.sealed)).all()

    assert isinstance(refused.value.orig, errors.InsufficientPrivilege)


def test_another_secret_cannot_decrypt_the_password(fleet):
    fleet.add()
    with pytest.raises(WrongSecretKeyError):
        fleet.another_process(secret_key="another secret of the tests, 32 characters")
    with fleet.installation.app.app_context(), catalog_transaction() as session:
        sealed = session.scalars(select(ServerPassword.sealed)).one()

    with pytest.raises(UnsealableError, match=f"The stored password of the server {SECOND!r}"):
        unseal_password(SecretKeys("another secret of the tests"), SECOND, sealed)


def test_a_password_may_be_in_pgpass(fleet, monkeypatch, tmp_path):
    bare = text_of(fleet.second.url()._replace(password=None))
    refused = fleet.run("add", SECOND, "--url", bare)
    pgpass = tmp_path / "pgpass"
    pgpass.write_text(f"*:*:*:*:{fleet.second.password}\n")
    pgpass.chmod(0o600)
    monkeypatch.setenv("PGPASSFILE", str(pgpass))

    added = fleet.run("add", SECOND, "--url", bare)

    assert refused.output.startswith(f"Error: Cannot connect to {SECOND!r}: ")
    assert (added.exit_code, added.output) == (0, f"Added the server {SECOND}.\n")
    with fleet.installation.app.app_context(), catalog_transaction() as session:
        assert session.scalars(select(ServerPassword.sealed)).all() == []


def test_an_unsuitable_server_is_refused(fleet):
    fleet.add()
    ask(fleet.second, "CREATE ROLE weak LOGIN PASSWORD 'weak'")
    weak = fleet.first.url().set(username="weak", password="weak")
    again, own = text_of(fleet.second.url()), text_of(fleet.first.url())
    ask(fleet.first, "CREATE ROLE weak LOGIN PASSWORD 'weak' CREATEDB")
    ask(fleet.first, "GRANT CONNECT ON DATABASE postgres TO weak")
    refusals = {
        ("second", again): "The server name 'second' is already taken.",
        ("third", again): "This server is already registered as 'second'.",
        ("third", own): "This server is already registered as 'default'.",
        ("third", text_of(weak)): "The role 'weak' cannot create roles and databases on 'third'",
        ("third", f"{DRIVER}://x:y@127.0.0.1:1/z"): "Cannot connect to 'third': ",
        ("third", "mysql://x/y"): "The URL must begin with postgresql://.",
        ("third", "postgresql://x/y?password=z"): "The password must come before the host",
        ("No!", again): "A name has 1 to 40 lower-case letters",
    }

    for (name, url), sentence in refusals.items():
        result = fleet.run("add", name, "--url", url)
        assert result.exit_code in {1, 2}
        assert sentence in " ".join(result.output.split())
    replica = fleet.run("change", SECOND, "--replica", text_of(url_of(fleet.first)))
    assert "is not a copy of this server" in replica.output or "Cannot connect" in replica.output
    itself = fleet.run("change", SECOND, "--replica", text_of(url_of(fleet.second)))
    assert "is not a replica, because it is not in recovery." in itself.output


def test_tenants_of_every_tier_live_on_an_added_server(fleet):
    serving = fleet.another_process()
    fleet.add("--region", "eu")
    for tier in SERVED_TIERS:
        tenant = fleet.installation.make_tenant(tier=tier, region="eu")

        client = serving.make_client(tenant)

        assert tenant.placement.server.name == SECOND
        assert client.add_patient("A-1").status_code == 201
        assert [each["mrn"] for each in client.get("/patients").json["data"]] == ["A-1"]
        assert ask(
            fleet.second,
            "SELECT count(*) FROM pg_database WHERE datname = %s",
            tenant.placement.database,
        ) == [(1,)]
    assert fleet.show()["tenants_by_tier"] == dict.fromkeys(SERVED_TIERS, 1)
    assert fleet.run("remove", SECOND, "--yes").output == (
        f"Error: The server {SECOND!r} cannot be removed, because tenants are placed on it.\n"
    )


def test_a_process_reads_the_changed_url_of_a_server(fleet):
    serving = fleet.another_process(placement_max_age_seconds=0)
    fleet.add()
    with serving.app.app_context():
        before = server_access(SECOND)
        fleet.run("change", SECOND, "--url", f"{text_of(fleet.second.url())}&keepalives=1")
        moved = server_access(SECOND)
        fleet.run("remove", SECOND, "--yes")
        with pytest.raises(NoServerError):
            server_access(SECOND)

    assert ("keepalives" in before.admin_url.query, "keepalives" in moved.admin_url.query) == (
        False,
        True,
    )


def test_a_tenant_goes_to_the_emptiest_server_that_fits(fleet):
    pooled = {"tier": Tier.POOLED_ROWS}
    fleet.add("--region", "eu", "--capacity", "2")

    assert fleet.place(region="eu", **pooled) == SECOND
    assert fleet.place(region="home", **pooled) == "default"
    while fleet.show("default")["tenants"] < 2:
        fleet.place(region="home", **pooled)
    fleet.run("change", "default", "--capacity", "1000")
    assert fleet.place(**pooled) == "default"
    fleet.run("change", "default", "--capacity", "3")
    assert fleet.place(**pooled) == SECOND
    with pytest.raises(NoFittingServerError, match=r"default is full \(3 of 3\); second is full"):
        fleet.place(**pooled)
    with pytest.raises(NoFittingServerError, match=r"'second': second is full \(2 of 2\)"):
        fleet.place(server=SECOND, **pooled)
    fleet.run("change", "default", "--capacity", "1000")


def test_a_region_is_never_left(fleet):
    fleet.add("--region", "eu")

    with pytest.raises(NoFittingServerError, match=r"in the region 'us' cannot be placed on any"):
        fleet.place(region="us")
    with pytest.raises(NoFittingServerError, match=r"'eu' .* the server 'default'.*is in 'home'"):
        fleet.place(region="eu", server="default")
    assert fleet.place(region="eu", tier=Tier.POOLED_ROWS) == SECOND
    assert "The region of 'second' cannot become 'us'" in (
        fleet.run("change", SECOND, "--region", "us").output
    )


def test_draining_servers_and_those_of_other_tiers_get_no_tenant(fleet):
    fleet.add("--tier", "own_schema")
    fleet.run("drain", "default")

    with pytest.raises(NoFittingServerError, match="second does not accept the tier pooled"):
        fleet.place(tier=Tier.POOLED_ROWS)
    with pytest.raises(NoFittingServerError, match="default is draining"):
        fleet.place(server="default")
    assert fleet.show("default")["state"] == "draining"
    assert fleet.run("resume", "default").output == "Resumed default.\n"
    assert fleet.place(tier=Tier.POOLED_ROWS) == "default"


def test_the_first_server_comes_from_the_settings(fleet):
    url = text_of(fleet.second.url())

    assert "TRIALLY_DATABASE_URL" in fleet.run("change", "default", "--url", url).output
    assert fleet.run("remove", "default", "--yes").output == (
        "Error: The server 'default' cannot be removed, because it holds the catalog.\n"
    )


def test_a_plan_chooses_the_tier(fleet):
    planning = fleet.another_process(plan_tiers={"trial": "pooled_rows"})
    assert planning.run("plans", "create", "trial").exit_code == 0
    tenants = [
        json.loads(
            planning.run("tenants", "create", slug, "--name", slug, "--json", *options).output
        )
        for slug, *options in (
            ("by-plan", "--plan", "trial"),
            ("by-word", "--plan", "trial", "--tier", "own_schema"),
            ("by-default",),
        )
    ]

    assert [tenant["tier"] for tenant in tenants] == [
        "pooled_rows",
        "own_schema",
        "dedicated_database",
    ]
