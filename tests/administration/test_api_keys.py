"""A program acts for a member with an API key: within scopes, until a date, in one tenant."""

import datetime as dt
from threading import Barrier, Event, Thread
from typing import Any
from uuid import uuid4

import pytest
from administered import Allow, code_of, forget_members, id_of
from flask import Flask
from members import AsMember, MakePatient, MakeTenant, Member
from sqlalchemy import select, text, update
from tenant_databases import ask_in

from trially import create_app
from trially.auth.api_keys.model import ApiKey, ApiKeyUse
from trially.auth.roles import PhiLevel, Role
from trially.config import Settings
from trially.database.changes import note_derived
from trially.database.rows import table_of
from trially.database.session import db, transaction
from trially.keys.api_keys import PresentedKey, new_api_key, read_api_key
from trially.state import state_of
from trially.tenancy.context import tenant_context
from trially.tenancy.lifecycle.status import resume_tenant, suspend_tenant

PATIENTS = ("patients:read", "patients:write")


def create_key(member: Member, *scopes: str, **body: Any) -> Any:
    options = {"name": "Nightly", "phi_level": "none", "valid_days": 30, **body}
    created = member.post("/api-keys", json={"scopes": scopes or ["sites:read"], **options})
    assert created.status_code == 201, created.text
    return created.json


def with_key(member: Member, *scopes: str, **body: Any) -> Member:
    """Return a client that sends a new key of a member."""
    key = create_key(member, *scopes, **body)["key"]
    return Member(member.app.test_client(), key, member.tenant, member.subject)


def sending(member: Member, key: str) -> Any:
    return Member(member.app.test_client(), key, member.tenant, "")


def forget_keys(app: Flask) -> None:
    """Let the app read keys again, as it does within 5 seconds by itself."""
    state_of(app).api_keys.valid.forget(lambda _: True)
    forget_members(app)


def test_a_key_is_shown_once_and_stored_as_a_digest(owner: Member) -> None:
    created = create_key(owner, "sites:read", "me:read", "sites:read")

    assert created["scopes"] == ["me:read", "sites:read"]
    assert created["member_id"] == id_of(owner)
    shown = owner.get(f"/api-keys/{created['id']}").json
    assert shown == {name: value for name, value in created.items() if name != "key"}
    assert owner.get("/api-keys").json["data"] == [shown]
    key, schema = read_api_key(created["key"]), owner.tenant.placement.schema
    assert str(key.key_id) == created["id"]
    [(stored, whole)] = ask_in(
        owner.app,
        owner.tenant,
        f"SELECT digest, api_key::text FROM {schema}.api_key WHERE id = %s",
        created["id"],
    )
    assert bytes(stored) == key.digest
    assert key.secret.hex() not in whole
    assert created["key"] not in whole


def test_a_key_acts_for_its_member_within_its_scopes(owner: Member) -> None:
    program = with_key(owner, "sites:read")

    me = program.get("/me").json
    assert (me["id"], me["role"], me["phi_level"]) == (id_of(owner), "owner", "none")
    assert me["permissions"] == ["me:read", "sites:read"]
    assert program.get("/sites").status_code == 200
    refused = program.post("/sites", json={"name": "X"})
    assert code_of(refused) == (403, "missing_permission")


def test_a_key_has_requests_of_its_own(
    app: Flask, owner: Member, allow: Allow, monkeypatch: pytest.MonkeyPatch
) -> None:
    limiter = state_of(app).rate_limiter
    monkeypatch.setattr(limiter, "_clock", lambda: 6_000.5)
    monkeypatch.setattr(limiter, "_processes", 1)
    first, second = with_key(owner, "sites:read"), with_key(owner, "sites:read")
    allow(owner.tenant, requests_per_minute=6)

    answers = [first.get("/sites") for _ in range(4)]

    assert [each.status_code for each in answers] == [200, 200, 200, 429]
    assert answers[-1].json["of"] == "api_key"
    assert "one API key may send 3 requests" in answers[-1].json["detail"]
    assert '"api_key";q=3;w=60' in answers[0].headers["RateLimit-Policy"]
    assert second.get("/sites").status_code == 200
    assert owner.get("/sites").status_code == 200


def test_a_key_shows_as_much_of_patients_as_it_says(
    owner: Member, make_patient: MakePatient
) -> None:
    patient = make_patient(owner, given_name="Ada")
    path = f"/patients/{patient['id']}"
    full, limited = (with_key(owner, *PATIENTS, phi_level=each) for each in ("full", "limited"))

    assert full.get(path).json["given_name"] == "Ada"
    assert limited.get(path).json["given_name"] is None
    assert "given_name" in limited.get(path).json["masked_fields"]
    refused = owner.post(
        "/api-keys",
        json={"name": "X", "scopes": PATIENTS, "phi_level": "none", "valid_days": 1},
    )
    assert code_of(refused) == (403, "more_than_own_rights")


def test_a_key_loses_what_its_member_loses(
    owner: Member, as_member: AsMember, make_patient: MakePatient
) -> None:
    """The member's rights at the time of the request count, not those of the creation."""
    site = owner.post("/sites", json={"name": "Basel"}).json["id"]
    patient = make_patient(owner, site_id=site, given_name="Ada")
    elsewhere = make_patient(owner)
    admin = as_member(owner.tenant)
    program = with_key(admin, *PATIENTS, "studies:write", phi_level="full")
    member = f"/members/{id_of(admin)}"
    path = f"/patients/{patient['id']}"
    assert program.get(path).json["given_name"] == "Ada"

    owner.patch(member, json={"phi_level": "limited"})
    forget_keys(owner.app)
    assert program.get(path).json["given_name"] is None

    owner.patch(member, json={"site_ids": [site]})
    forget_keys(owner.app)
    assert program.get(path).status_code == 200
    assert program.get(f"/patients/{elsewhere['id']}").status_code == 404

    owner.patch(member, json={"role": "viewer"})
    forget_keys(owner.app)
    assert "studies:write" not in program.get("/me").json["permissions"]
    assert code_of(program.patch(path, json={"sex": "male"})) == (403, "missing_permission")

    owner.delete(member)
    forget_keys(owner.app)
    assert code_of(program.get("/me")) == (401, "invalid_token")
    assert owner.get("/api-keys").json["data"] == []


def test_a_revoked_key_is_refused(owner: Member, as_member: AsMember) -> None:
    admin = as_member(owner.tenant)
    created = create_key(owner)
    program = sending(owner, created["key"])
    assert program.get("/sites").status_code == 200

    assert admin.delete(f"/api-keys/{created['id']}").status_code == 204

    assert code_of(program.get("/sites")) == (401, "invalid_token")
    assert admin.delete(f"/api-keys/{created['id']}").status_code == 404


def test_other_processes_refuse_a_revoked_key_after_their_caches_age(
    owner: Member, settings: Settings
) -> None:
    other = create_app(settings)
    created = create_key(owner)
    program = sending(owner, created["key"]).through(other)
    assert program.get("/sites").status_code == 200
    owner.delete(f"/api-keys/{created['id']}")
    known = state_of(other).api_keys.valid

    assert known._seconds <= 5
    forget_keys(other)
    assert program.get("/sites").status_code == 401


def test_an_expired_key_is_refused(owner: Member) -> None:
    program, cached = with_key(owner), with_key(owner)
    assert cached.get("/sites").status_code == 200
    soon = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=1)
    with owner.app.app_context(), tenant_context(owner.tenant.slug), transaction():
        db.session.execute(update(table_of(ApiKey)).values(expires_at=soon))
        note_derived("api_key")

    assert code_of(program.get("/sites")) == (401, "invalid_token")
    forget_keys(owner.app)
    assert code_of(cached.get("/sites")) == (401, "invalid_token")


def test_a_key_is_of_one_tenant(
    owner: Member, make_tenant: MakeTenant, as_member: AsMember
) -> None:
    other = as_member(make_tenant(owner.tenant.placement.tier), Role.OWNER)
    created = create_key(owner)
    program, own = sending(owner, created["key"]), read_api_key(created["key"])

    for named in (other.tenant.slug, str(other.tenant.id), str(uuid4()), ""):
        refused = program.get("/me", headers={"X-Tenant-ID": named})
        assert code_of(refused) == (403, "no_tenant_access")
    for named in (owner.tenant.slug, str(owner.tenant.id)):
        assert program.get("/me", headers={"X-Tenant-ID": named}).status_code == 200
    copied = PresentedKey(other.tenant.id, own.key_id, own.secret)
    _copy_row(owner, other, copied)
    assert code_of(sending(owner, copied.text).get("/me")) == (401, "invalid_token")


def _copy_row(owner: Member, other: Member, key: PresentedKey) -> None:
    """Store a key of one tenant in another one, as someone who can write its database would."""
    own, theirs = (each.tenant.placement.schema for each in (owner, other))
    [(digest,)] = ask_in(
        owner.app,
        owner.tenant,
        f"SELECT digest FROM {own}.api_key WHERE id = %s",
        str(key.key_id),
    )
    values = {
        "id": key.key_id,
        "tenant_id": other.tenant.id,
        "member_id": id_of(other),
        "name": "Copied",
        "digest": bytes(digest),
        "scopes": ["sites:read"],
        "phi_level": "none",
        "expires_at": dt.datetime.now(dt.UTC) + dt.timedelta(days=1),
    }
    assert theirs
    with other.app.app_context(), tenant_context(str(other.tenant.id)), transaction():
        db.session.execute(table_of(ApiKey).insert().values(values))
        note_derived("api_key")


def test_unknown_keys_get_one_answer(owner: Member, make_tenant: MakeTenant) -> None:
    """Whether the tenant exists, is suspended, or has the key's id makes no difference."""
    suspended = make_tenant(owner.tenant.placement.tier)
    with owner.app.app_context():
        suspend_tenant(suspended.slug)
    known = read_api_key(create_key(owner)["key"])
    keys = [
        new_api_key(uuid4(), uuid4()),
        new_api_key(suspended.id, uuid4()),
        new_api_key(owner.tenant.id, uuid4()),
        new_api_key(owner.tenant.id, known.key_id),
    ]
    before = len(owner.get("/audit?limit=200").json["data"])

    answers = [
        sending(owner, key.text).get("/me", headers={"X-Request-ID": "fixed"}) for key in keys
    ]

    for answer in answers:
        assert (answer.status_code, answer.json) == (401, answers[0].json)
        assert answer.headers["WWW-Authenticate"] == answers[0].headers["WWW-Authenticate"]
    # Anonymous callers cannot fill the tenant's audit log. Only its own reading is added.
    assert len(owner.get("/audit?limit=200").json["data"]) == before + 1
    with owner.app.app_context():
        resume_tenant(suspended.slug)


def test_a_flood_of_unknown_keys_stops_no_known_one(owner: Member, settings: Settings) -> None:
    app = create_app(settings)
    program = with_key(owner).through(app)
    late = with_key(owner).through(app)
    assert program.get("/sites").status_code == 200
    strange = state_of(app).api_keys.strange
    while strange.permits():
        strange.take()

    answer = sending(owner, new_api_key(owner.tenant.id, uuid4()).text).through(app).get("/me")
    assert code_of(answer) == (503, "too_many_unknown_keys")
    assert int(answer.headers["Retry-After"]) >= 1
    assert late.get("/sites").status_code == 503
    state_of(app).api_keys.valid.forget(lambda _: True)
    assert program.get("/sites").status_code == 200


@pytest.mark.parametrize(
    ("own", "body"),
    [
        ({"role": Role.ADMIN}, {"scopes": ["alert_rules:write"]}),
        ({"phi_level": PhiLevel.LIMITED}, {"phi_level": "full"}),
        ({"phi_level": PhiLevel.LIMITED}, {"phi_level": "limited", "scopes": ["exports:write"]}),
        ({"site_ids": ()}, {"scopes": ["audit:read"]}),
    ],
)
def test_a_key_has_no_more_than_its_creator(
    owner: Member, as_member: AsMember, own: Any, body: Any
) -> None:
    admin = as_member(owner.tenant, **{"role": Role.ADMIN, **own})
    options = {"name": "X", "scopes": ["sites:read"], "phi_level": "none", "valid_days": 1}

    refused = admin.post("/api-keys", json={**options, **body})

    assert code_of(refused) == (403, "more_than_own_rights")


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"scopes": []}, "/scopes"),
        ({"scopes": ["patients:everything"]}, "/scopes/0"),
        ({"scopes": ["api_keys:write"]}, "/scopes/0"),
        ({"scopes": ["members:write"]}, "/scopes/0"),
        ({"valid_days": 0}, "/valid_days"),
        ({"valid_days": 367}, "/valid_days"),
        ({"valid_days": None}, "/valid_days"),
        ({"name": ""}, "/name"),
    ],
)
def test_wrong_keys_are_refused(shared_member: Member, changes: Any, pointer: str) -> None:
    options = {"name": "X", "scopes": ["sites:read"], "phi_level": "none", "valid_days": 1}

    refused = shared_member.post("/api-keys", json={**options, **changes})

    assert refused.status_code == 422
    assert [each["pointer"] for each in refused.json["errors"]] == [pointer]


def test_a_key_cannot_make_another_one(owner: Member) -> None:
    program = with_key(owner, "api_keys:read", "members:read")
    options = {"name": "X", "scopes": ["sites:read"], "phi_level": "none", "valid_days": 1}

    assert code_of(program.post("/api-keys", json=options)) == (403, "missing_permission")
    invited = program.post("/invitations", json={"subject": "eve", "role": "viewer"})
    assert code_of(invited) == (403, "missing_permission")
    assert program.get("/api-keys").status_code == 200


def test_an_answer_with_a_key_is_not_stored(owner: Member) -> None:
    options = {"name": "X", "scopes": ["sites:read"], "phi_level": "none", "valid_days": 1}
    sent = {"json": options, "headers": {"Idempotency-Key": "once"}}

    first, second = owner.post("/api-keys", **sent), owner.post("/api-keys", **sent)

    assert first.json["key"] != second.json["key"]
    schema = owner.tenant.placement.schema
    counted = f"SELECT count(*) FROM {schema}.idempotency_key WHERE tenant_id = %s"
    [(stored,)] = ask_in(owner.app, owner.tenant, counted, str(owner.tenant.id))
    assert stored == 0


def test_the_plans_keys_are_counted(owner: Member, allow: Allow) -> None:
    allow(owner.tenant, api_keys=2)
    first = create_key(owner)
    create_key(owner)
    options = {"name": "X", "scopes": ["sites:read"], "phi_level": "none", "valid_days": 1}

    refused = owner.post("/api-keys", json=options)

    assert code_of(refused) == (403, "quota_exceeded")
    assert (refused.json["limit"], refused.json["used"]) == ("api_keys", 2)
    owner.delete(f"/api-keys/{first['id']}")
    assert owner.post("/api-keys", json=options).status_code == 201


def test_simultaneous_creations_do_not_exceed_the_plan(owner: Member, allow: Allow) -> None:
    allow(owner.tenant, api_keys=2)
    options = {"name": "X", "scopes": ["sites:read"], "phi_level": "none", "valid_days": 1}
    barrier, statuses = Barrier(4), []

    def create() -> None:
        client = owner.through(owner.app)
        barrier.wait()
        statuses.append(client.post("/api-keys", json=options).status_code)

    threads = [Thread(target=create) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(statuses) == [201, 201, 403, 403]


def test_the_audit_log_names_the_key(owner: Member) -> None:
    program, created = with_key(owner, "sites:write"), owner.get("/api-keys").json["data"][-1]
    program.post("/sites", json={"name": "Basel"})

    entry = next(
        each
        for each in owner.get("/audit").json["data"]
        if each["route"] == "POST /api/v1/sites" and each["change_count"]
    )

    assert entry["member"]["id"] == id_of(owner)
    assert entry["details"]["api_key"] == created["id"]
    creation = next(
        each
        for each in owner.get("/audit").json["data"]
        if each["route"] == "POST /api/v1/api-keys"
    )
    assert "api_key" not in creation["details"]
    [change] = creation["changes"]
    assert (change["table"], change["row_id"]) == ("api_key", created["id"])
    assert set(change["columns"]) == set(change["values"])
    assert "digest" not in change["values"]


def test_the_last_use_is_written_once_in_a_while(owner: Member) -> None:
    created = create_key(owner)
    program = sending(owner, created["key"])
    path = f"/api-keys/{created['id']}"
    assert owner.get(path).json["last_used_at"] is None

    program.get("/sites")
    first = owner.get(path).json["last_used_at"]
    state_of(owner.app).api_keys.noted.forget(lambda _: True)  # as another process would
    program.get("/sites")

    assert first is not None
    assert owner.get(path).json["last_used_at"] == first


def test_no_request_waits_for_another_to_write_the_last_use(owner: Member) -> None:
    program = with_key(owner)
    key_id = owner.get("/api-keys").json["data"][-1]["id"]
    began, may_end = Event(), Event()

    def hold() -> None:
        with owner.app.app_context(), tenant_context(owner.tenant.slug), transaction():
            lock = "SELECT pg_advisory_xact_lock(hashtextextended('api_key_use ' || :id, 0))"
            db.session.execute(text(lock), {"id": key_id})
            began.set()
            may_end.wait(30)

    holder = Thread(target=hold)
    holder.start()
    began.wait(30)
    try:
        assert program.get("/sites").status_code == 200
        assert owner.get(f"/api-keys/{key_id}").json["last_used_at"] is None
    finally:
        may_end.set()
        holder.join()


def test_a_malformed_key_asks_no_database(owner: Member, monkeypatch: pytest.MonkeyPatch) -> None:
    program = sending(owner, create_key(owner)["key"][:-1] + "!")
    monkeypatch.setattr("trially.auth.key_callers.find_entry", None)

    assert code_of(program.get("/me")) == (401, "invalid_token")


def test_uses_go_with_their_key(owner: Member) -> None:
    created = create_key(owner)
    sending(owner, created["key"]).get("/sites")
    owner.delete(f"/api-keys/{created['id']}")

    with owner.app.app_context(), tenant_context(owner.tenant.slug):
        assert db.session.execute(select(table_of(ApiKeyUse).c.id)).all() == []
