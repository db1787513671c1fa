"""While the catalog does not answer, known tenants are served from the cache of each process."""

import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import psycopg2
import pytest
from flask import Flask
from members import AsMember, MakeTenant, Member
from prometheus_client import REGISTRY
from proxies import Proxy, running_proxy
from psycopg2 import sql
from tenant_databases import access_of
from werkzeug.test import TestResponse

from trially import create_app
from trially.auth.connections import add_connection
from trially.auth.issuer_profile import IssuerProfile
from trially.auth.resolvers import ConnectionResolver, MembershipResolver
from trially.auth.tokens import TokenVerifier
from trially.config import Settings
from trially.database.connecting import Login
from trially.database.placement import ReplicaBehindError, StalePlacementError
from trially.http.problems import ServiceUnavailable
from trially.http.retry_after import LONGEST_SECONDS
from trially.request_cycle.retrying import prepare_retry
from trially.request_state import request_state
from trially.state import state_of
from trially.tenancy import catalog_reader, tenant_entries
from trially.tenancy.catalog import Server
from trially.tenancy.catalog_reader import SLOW_SECONDS
from trially.tenancy.catalog_sessions import READER_BIND, catalog_transaction
from trially.tenancy.context import enter_tenant
from trially.tenancy.directory import directory
from trially.tenancy.lifecycle.status import resume_tenant, suspend_tenant
from trially.tenancy.schema import catalog_binds
from trially.tenancy.servers.access import server_access
from trially.tenancy.servers.connections import execute
from trially.tenancy.servers.preparing import reader_role

MAX_AGE = 0.1
STALE_SECONDS = 899.0
"""Not the default, so that the log shows which app has found out that the catalog is away."""

AWAY = "control_plane_unavailable"

Outage = Callable[[], Any]


def statements_of(kind: str, catalog: str, reader: str) -> tuple[str, str]:
    """Return the SQL that begins an outage, and the SQL that ends it."""
    return {
        "renamed": (
            f"ALTER DATABASE {catalog} RENAME TO {catalog}_away",
            f"ALTER DATABASE {catalog}_away RENAME TO {catalog}",
        ),
        "connect revoked": (
            f"REVOKE CONNECT ON DATABASE {catalog} FROM {reader}",
            f"GRANT CONNECT ON DATABASE {catalog} TO {reader}",
        ),
        "closed": (
            f"ALTER DATABASE {catalog} ALLOW_CONNECTIONS false",
            f"ALTER DATABASE {catalog} ALLOW_CONNECTIONS true",
        ),
        "no login": (f"ALTER ROLE {reader} NOLOGIN", f"ALTER ROLE {reader} LOGIN"),
    }[kind]


@pytest.fixture
def worker(settings: Settings, app: Flask) -> Flask:
    """An app of the same installation whose cached entries expire at once."""
    return start(settings)


def start(settings: Settings, **changes: Any) -> Flask:
    own = {"placement_max_age_seconds": MAX_AGE, "catalog_outage_seconds": STALE_SECONDS}
    worker = create_app(replace(settings, **(own | changes)))
    worker.config["PROPAGATE_EXCEPTIONS"] = False
    return worker


@pytest.fixture(params=["renamed", "connect revoked", "closed", "no login"])
def outage(request: pytest.FixtureRequest, app: Flask, settings: Settings) -> Outage:
    return lambda: outage_of(request.param, app, settings)


@contextmanager
def outage_of(kind: str, app: Flask, settings: Settings) -> Iterator[None]:
    catalog, reader = settings.catalog_database, reader_role(settings)
    begin, end = statements_of(kind, catalog, reader)
    with access_of(app).administer() as raw:
        for _ in range(100):
            execute(
                raw,
                "SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity WHERE datname = %s",
                catalog,
            )
            try:
                execute(raw, sql.SQL(begin))
                break
            except psycopg2.errors.ObjectInUse:  # another session came in between
                time.sleep(0.05)
        execute(
            raw,
            "SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity WHERE datname = %s",
            catalog,
        )
        try:
            yield
        finally:
            execute(raw, sql.SQL(end))


def served(worker: Flask, member: Member) -> Member:
    """Return the member's client of a worker that has served it before."""
    client = member.through(worker)
    assert client.get("/me").status_code == 200
    return client


def expire() -> None:
    time.sleep(2 * MAX_AGE)


def ask(worker: Flask, tenant: str, subject: str = "stranger", **headers: str) -> TestResponse:
    token = state_of(worker).dev_issuer.issue_token(subject=subject, tenant=tenant)
    return worker.test_client().get(
        "/api/v1/me",
        headers={"Authorization": f"Bearer {token}", "X-Request-ID": "fixed", **headers},
    )


def picture(answer: TestResponse) -> Any:
    """Return all of an answer that the caller sees, except what differs between any two."""
    ignored = {"traceparent", "Retry-After"}
    assert int(answer.headers.get("Retry-After", 1)) <= 1.5 * LONGEST_SECONDS
    headers = sorted(header for header in answer.headers if header[0] not in ignored)
    return answer.status_code, answer.json, headers


def eventually(answer: Callable[[], TestResponse], status: int) -> bool:
    return any(answer().status_code == status or time.sleep(0.05) for _ in range(100))


def stale_answers(kind: str) -> float:
    name = "trially_catalog_stale_answers_total"
    return REGISTRY.get_sample_value(name, {"kind": kind}) or 0


def test_known_tenants_are_served_and_unknown_ones_get_a_503(
    worker: Flask, member: Member, outage: Outage, caplog: pytest.LogCaptureFixture
) -> None:
    client, before = served(worker, member), stale_answers("tenant")
    caplog.set_level(logging.INFO, "trially.tenancy.catalog_reader")

    with outage():
        for number in range(3):
            expire()
            assert client.get("/sites").status_code == 200
            assert client.post("/sites", json={"name": f"Site {number}"}).status_code == 201
        unknown = ask(worker, "nobody")
        ready = worker.test_client().get("/readyz")
        assert REGISTRY.get_sample_value("trially_catalog_available") == 0

    assert (unknown.status_code, unknown.json["code"]) == (503, AWAY)
    assert "control plane" in unknown.json["detail"]
    assert int(unknown.headers["Retry-After"]) >= 1
    assert (ready.status_code, ready.json["status"]) == (200, "degraded")
    assert ready.json["checks"]["catalog"] == "unreachable, serving from cache"
    assert stale_answers("tenant") >= before + 3
    assert eventually(lambda: ask(worker, "nobody"), 403)
    assert worker.test_client().get("/readyz").json["checks"]["catalog"] == "ok"
    assert REGISTRY.get_sample_value("trially_catalog_available") == 1
    # Threads of other tests' apps may say the same, but not that this worker waits so long.
    waits = f"Expired answers are used for up to {STALE_SECONDS:.0f} s."
    said = [record.getMessage() for record in caplog.records]
    assert len([each for each in said if each.endswith(waits)]) == 1
    assert [each for each in said if each.startswith("The catalog answers again")]


def test_in_an_outage_no_answer_reveals_which_tenants_exist(
    worker: Flask, app: Flask, settings: Settings, make_tenant: MakeTenant, as_member: AsMember
) -> None:
    mine, foreign, suspended = (as_member(make_tenant()) for _ in range(3))
    for each in (mine, foreign, suspended):
        served(worker, each)
    with app.app_context():
        suspend_tenant(suspended.tenant.slug)
    assert ask(worker, suspended.tenant.slug).status_code == 403
    expire()
    assert ask(worker, suspended.tenant.slug, suspended.subject).status_code == 403
    slugs = ["nobody", foreign.tenant.slug, str(foreign.tenant.id), suspended.tenant.slug]

    with outage_of("renamed", app, settings):
        expire()
        assert mine.through(worker).get("/me").status_code == 200
        # The first query finds out that the catalog is away.
        assert eventually(lambda: ask(worker, "nobody"), 503)
        named_by_token = [picture(ask(worker, slug)) for slug in slugs]
        named_by_header = [
            picture(ask(worker, mine.tenant.slug, mine.subject, **{"X-Tenant-ID": slug}))
            for slug in slugs
        ]
        of_its_member = ask(worker, suspended.tenant.slug, suspended.subject)

    assert all(each == named_by_token[0] for each in named_by_token)
    assert all(each == named_by_header[0] for each in named_by_header)
    assert named_by_token[0][1]["code"] == named_by_header[0][1]["code"] == AWAY
    assert of_its_member.status_code == 503
    with app.app_context():
        resume_tenant(suspended.tenant.slug)


def test_cached_placements_are_used_for_a_limited_time(
    app: Flask, settings: Settings, member: Member
) -> None:
    worker = start(settings, catalog_outage_seconds=4)
    client = served(worker, member)

    with outage_of("connect revoked", app, settings):
        expire()
        assert client.get("/me").status_code == 200
        time.sleep(4.1)
        refused = client.get("/me")
        ready = worker.test_client().get("/readyz")

    assert (refused.status_code, refused.json["code"]) == (503, AWAY)
    assert (ready.status_code, ready.json["checks"]["catalog"]) == (503, "unreachable")
    assert eventually(lambda: client.get("/me"), 200)


def test_without_time_for_outages_nothing_expired_is_used(
    app: Flask, settings: Settings, member: Member
) -> None:
    worker = start(settings, catalog_outage_seconds=0)
    client = served(worker, member)
    expire()
    assert client.get("/me").status_code == 200

    with outage_of("connect revoked", app, settings):
        expire()
        assert client.get("/me").json["code"] == AWAY


def test_the_guard_refuses_what_has_changed(
    worker: Flask, app: Flask, settings: Settings, make_tenant: MakeTenant, as_member: AsMember
) -> None:
    moved, suspended = as_member(make_tenant()), as_member(make_tenant())
    cache = state_of(worker).directory._entries
    for each in (moved, suspended):
        served(worker, each)
    before = cache.get_expired(suspended.tenant.slug)
    entry = cache.get_expired(moved.tenant.slug)
    with app.app_context():
        suspend_tenant(suspended.tenant.slug)

    with outage_of("renamed", app, settings):
        assert eventually(lambda: ask(worker, "nobody"), 503)
        cache.put(suspended.tenant.slug, before)
        cache.put(moved.tenant.slug, replace(entry, placement=replace(entry.placement, epoch=99)))
        expire()
        answers = [suspended.through(worker).post("/sites", json={"name": "x"}) for _ in range(2)]
        answers += [moved.through(worker).post("/sites", json={"name": "x"}) for _ in range(2)]
        assert cache.get_expired(moved.tenant.slug) is None

    assert [(each.status_code, each.json["code"]) for each in answers] == [(503, AWAY)] * 4
    with app.app_context():
        resume_tenant(suspended.tenant.slug)
    assert eventually(lambda: moved.through(worker).get("/me"), 200)
    assert moved.through(worker).get("/sites").json["data"] == []


def test_a_lagging_replica_does_not_cost_the_cached_placement(
    worker: Flask, app: Flask, settings: Settings, member: Member
) -> None:
    served(worker, member)
    with outage_of("renamed", app, settings):
        expire()
        prepare_retry_after(ReplicaBehindError(), worker, member)
        with pytest.raises(ServiceUnavailable) as refusal:
            prepare_retry_after(StalePlacementError(), worker, member)

    assert refusal.value.code == AWAY


def prepare_retry_after(error: Exception, worker: Flask, member: Member) -> None:
    headers = {"Authorization": f"Bearer {member.token}"}
    with worker.test_request_context("/api/v1/me", headers=headers):
        enter_tenant(directory().find(member.tenant.slug))
        request_state().credential = state_of(worker).token_verifier.verify(member.token)
        prepare_retry(error)


def test_a_worker_that_starts_in_an_outage_recovers_by_itself(
    app: Flask, settings: Settings, member: Member, outage: Outage
) -> None:
    with outage():
        worker = start(settings)
        assert ask(worker, member.tenant.slug, member.subject).json["code"] == AWAY
        assert worker.test_client().get("/livez").status_code == 200
        assert worker.test_client().get("/readyz").status_code == 503

    assert eventually(lambda: member.through(worker).get("/me"), 200)
    assert worker.test_client().get("/readyz").status_code == 200


def test_tenants_found_in_the_catalog_are_found_in_the_cache(
    worker: Flask, app: Flask, settings: Settings, member: Member
) -> None:
    issuer = state_of(worker).dev_issuer
    with app.app_context():
        add_connection(member.tenant.slug, "con_outage")
    token = issuer.issue_token(subject=member.subject, tenant=None, azp="con_outage")
    strange = issuer.issue_token(subject="nobody", tenant=None, azp="con_nobody")
    resolvers = {
        "membership": MembershipResolver(MAX_AGE),
        "connection": ConnectionResolver("azp", MAX_AGE),
    }
    for kind, resolver in resolvers.items():
        profile = replace(issuer.profile(), resolver=resolver)
        assert isinstance(profile, IssuerProfile)
        state_of(worker).token_verifier = TokenVerifier({profile.issuer: profile})

        def get(raw: str) -> TestResponse:
            headers = {"Authorization": f"Bearer {raw}"}
            return worker.test_client().get("/api/v1/me", headers=headers)

        # A query that began in the outage before may fail late.
        assert eventually(lambda: get(token), 200)
        before = stale_answers(kind)

        with outage_of("no login", app, settings):
            for _ in range(2):
                expire()
                assert get(token).status_code == 200
            unknown = get(strange)

        assert (unknown.status_code, unknown.json["code"]) == (503, AWAY)
        assert stale_answers(kind) >= before + 2
        assert eventually(lambda: get(strange), 403)


def test_servers_are_reached_as_cached(worker: Flask, app: Flask, settings: Settings) -> None:
    with worker.app_context():
        with catalog_transaction() as session:
            session.add(Server(name="elsewhere", url="postgresql+psycopg2://a@127.0.0.1:9/x"))
        access = server_access("elsewhere")
        expire()

        with outage_of("connect revoked", app, settings):
            assert server_access("elsewhere") is access

        with catalog_transaction() as session:
            session.query(Server).filter_by(name="elsewhere").delete()


@pytest.fixture(params=[MAX_AGE])
def proxied(
    app: Flask,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> Iterator[tuple[Flask, Proxy]]:
    """A worker that reaches the catalog, and nothing else, through a proxy.

    The parameter is the age at which its cached entries expire, in seconds.
    """
    binds_of = catalog_binds.catalog_binds
    url = access_of(app).admin_url
    socket = f"{url.query.get('host', url.host)}/.s.PGSQL.{url.query.get('port', url.port or 5432)}"
    with running_proxy(socket) as proxy:

        def binds(*arguments: Any) -> dict[str, Any]:
            found = binds_of(*arguments)
            url = found[READER_BIND].url.difference_update_query(["host", "port"])
            found[READER_BIND] = Login(url.set(host="127.0.0.1", port=proxy.port))
            return found

        monkeypatch.setattr(catalog_binds, "catalog_binds", binds)
        yield start(settings, placement_max_age_seconds=request.param), proxy
        proxy.thaw()


def test_a_catalog_that_is_frozen_holds_no_known_tenant(
    proxied: tuple[Flask, Proxy], make_tenant: MakeTenant, as_member: AsMember
) -> None:
    worker, proxy = proxied
    members = [served(worker, as_member(make_tenant())) for _ in range(3)]
    reader = state_of(worker).catalog_reader

    proxy.freeze(new_ones=True)
    expire()
    with ThreadPoolExecutor(8) as pool:
        statuses = list(pool.map(lambda n: members[n % 3].get("/me").status_code, range(40)))
    unknown = [ask(worker, "nobody").status_code for _ in range(3)]

    assert statuses == [200] * 40
    assert unknown == [503] * 3
    assert reader.is_away
    assert len(reader._running) <= 1
    assert members[0].get("/me").status_code == 200
    proxy.thaw()
    assert eventually(lambda: ask(worker, "nobody"), 403)


@pytest.mark.parametrize("proxied", [8 * SLOW_SECONDS], indirect=True)
def test_a_tenant_in_constant_use_never_waits_for_a_frozen_catalog(
    proxied: tuple[Flask, Proxy],
    make_tenant: MakeTenant,
    as_member: AsMember,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    worker, proxy = proxied
    member = served(worker, as_member(make_tenant()))
    found = state_of(worker).directory
    before = stale_answers("tenant")
    now = time.monotonic()
    # However busy the machine is, no more time than this passes between two requests.
    for module in (tenant_entries, catalog_reader):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now))

    proxy.freeze(new_ones=True)
    waited = []
    while stale_answers("tenant") == before:
        assert member.get("/me").status_code == 200
        waited.append(found._renewal)
        now += SLOW_SECONDS / 4

    assert set(waited) == {None}
    assert len(waited) > 4 * 7


def test_an_error_of_ours_is_no_outage(worker: Flask) -> None:
    reader = state_of(worker).catalog_reader

    def fail() -> None:
        raise KeyError("ours")

    with worker.app_context(), pytest.raises(KeyError):
        reader.ask(fail)

    assert not reader.is_away
