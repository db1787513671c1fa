"""Support access: nobody enters alone, with more than the grant says, or after its end."""

import datetime as dt
import json
import time
from dataclasses import replace

import psycopg2
import pytest
from tenant_databases import access_of

from trially import create_app
from trially.auth.identity import current_identity
from trially.auth.roles import PhiLevel, Role
from trially.auth.support import grants
from trially.state import state_of
from trially.tenancy.catalog_reader import CatalogUnavailableError
from trially.tenancy.operators.persons import Person, current_person
from trially.tenancy.servers.connections import execute

MAX_AGE = 0.2


@pytest.fixture(scope="module")
def worker(app, settings):
    """An app of the same installation, whose cached entries expire soon."""
    worker = create_app(replace(settings, placement_max_age_seconds=MAX_AGE))
    worker.config["PROPAGATE_EXCEPTIONS"] = False
    return worker


@pytest.fixture
def as_person(monkeypatch):
    """Let commands be run by another account."""
    return lambda name: monkeypatch.setattr(grants, "current_person", lambda: Person(name, "here"))


@pytest.fixture
def grant(app, as_person):
    """Make an approved grant for a subject, and return its id."""

    def make(tenant, subject="ops|7", role=Role.VIEWER, phi_level=PhiLevel.NONE, **options):
        options = {"duration": dt.timedelta(hours=1)} | options
        with app.app_context():
            as_person("jo")
            requested = grants.request_grant(
                tenant.slug,
                subject,
                issuer=state_of(app).dev_issuer.url,
                reason="The import stops.",
                ticket="T-1",
                role=role,
                phi_level=phi_level,
                **options,
            )
            as_person("kim")
            grants.approve_grant(requested.id)
        time.sleep(2 * MAX_AGE)
        return requested.id

    return make


def ask(worker, path, tenant, subject="ops|7", claim=None):
    """Send a request of an operator, whose token is for no tenant unless `claim` names one."""
    token = state_of(worker).dev_issuer.issue_token(subject=subject, tenant=claim or "")
    headers = {"Authorization": f"Bearer {token}", "X-Tenant-ID": tenant.slug}
    return worker.test_client().get(f"/api/v1{path}", headers=headers)


def test_an_operator_enters_one_tenant_with_the_rights_of_the_grant(worker, make_tenant, grant):
    mine, other = make_tenant(), make_tenant()
    assert ask(worker, "/me", mine).status_code == 403
    grant(mine)

    me = ask(worker, "/me", mine)
    assert me.status_code == 200, me.json
    assert (me.json["role"], me.json["phi_level"]) == ("viewer", "none")
    assert me.json["display_name"] == "Support: jo"
    assert ask(worker, "/patients", mine).status_code == 403
    assert ask(worker, "/members", mine).status_code == 403
    assert ask(worker, "/me", other).json["code"] == "no_tenant_access"
    assert ask(worker, "/me", mine, subject="ops|8").json["code"] == "no_tenant_access"
    assert ask(worker, "/me", other, claim=mine.slug).status_code == 403
    assert ask(worker, "/me", mine, claim=mine.slug).status_code == 200


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/invitations", {"subject": "ops|8", "role": "viewer"}),
        (
            "/api-keys",
            {"name": "X", "scopes": ["sites:read"], "phi_level": "none", "valid_days": 1},
        ),
        ("/webhooks", {"url": "https://hooks.example/", "event_types": ["import.finished"]}),
    ],
)
def test_an_operator_leaves_nothing_that_outlasts_the_grant(worker, tenant, grant, path, body):
    grant(tenant, role=Role.ADMIN, phi_level=PhiLevel.FULL)
    token = state_of(worker).dev_issuer.issue_token(subject="ops|7", tenant="")
    headers = {"Authorization": f"Bearer {token}", "X-Tenant-ID": tenant.slug}

    assert ask(worker, path, tenant).status_code == 200
    refused = worker.test_client().post(f"/api/v1{path}", json=body, headers=headers)

    assert (refused.status_code, refused.json["code"]) == (403, "forbidden")


def test_actor_and_grant_are_known_to_what_records_the_request(worker, tenant, grant, monkeypatch):
    grant_id, seen = grant(tenant), []
    endpoint = "me.show_me"
    view = worker.view_functions[endpoint]

    def watched(**arguments):
        seen.append(current_identity())
        return view(**arguments)

    watched.__dict__.update(view.__dict__)
    monkeypatch.setitem(worker.view_functions, endpoint, watched)
    assert ask(worker, "/me", tenant).status_code == 200
    assert ask(worker, "/me", tenant).status_code == 200

    assert {each.acting_for for each in seen} == {grant_id}
    assert {each.subject for each in seen} == {"ops|7"}
    assert len({each.member_id for each in seen}) == 1


def test_a_grant_ends_when_it_is_revoked(app, worker, tenant, grant):
    grant_id = grant(tenant)
    assert ask(worker, "/me", tenant).status_code == 200

    with app.app_context():
        grants.revoke_grant(grant_id)
    time.sleep(2 * MAX_AGE)

    assert ask(worker, "/me", tenant).json["code"] == "no_tenant_access"
    with app.app_context(), pytest.raises(grants.NotRevokedError, match="revoked already"):
        grants.revoke_grant(grant_id)


def test_a_grant_ends_by_itself(app, worker, tenant, grant):
    """At its exact end: no cache has to expire first."""
    grant(tenant, duration=dt.timedelta(seconds=2))
    worker_answers = ask(worker, "/me", tenant).status_code
    time.sleep(2)

    assert worker_answers == 200
    assert ask(worker, "/me", tenant).status_code == 403
    with app.app_context():
        assert [each["state"] for each in grants.list_grants(tenant.slug)] == ["ended"]


def test_an_entry_that_outlived_its_age_grants_nothing(worker, tenant, grant, monkeypatch):
    """While the catalog is away, members are served from expired entries, and operators are not."""
    grant(tenant)
    assert ask(worker, "/me", tenant).status_code == 200

    def find_nothing(_reference):
        raise CatalogUnavailableError

    monkeypatch.setattr(state_of(worker).directory, "find_current", find_nothing)

    assert ask(worker, "/me", tenant).status_code == 403


def test_a_request_alone_gives_no_access_and_needs_a_second_person(
    app, worker, tenant, as_person, run_command
):
    requested = run_command(
        *("support", "request", tenant.slug, "--subject", "ops|7", "--reason", "Import stops"),
        *("--ticket", "T-1", "--for", "2h", "--json"),
    )
    grant_id = json.loads(requested.output)["id"]

    assert ask(worker, "/me", tenant).status_code == 403
    alone = run_command("support", "approve", grant_id)
    assert "another person must approve it" in alone.output
    with access_of(app).administer(state_of(app).settings.catalog_database) as raw:
        [(me,)] = execute(raw, "SELECT requested_by FROM support_grant WHERE id = %s", grant_id)
        with pytest.raises(psycopg2.errors.CheckViolation, match="second_person"):
            execute(
                raw,
                "UPDATE support_grant SET approved_by = %s, approved_at = now(),"
                " expires_at = now() WHERE id = %s",
                me,
                grant_id,
            )
    as_person("kim")
    assert run_command("support", "approve", grant_id).exit_code == 0
    time.sleep(2 * MAX_AGE)
    assert ask(worker, "/me", tenant).status_code == 200
    assert "active" in run_command("support", "approve", grant_id).output
    assert run_command("support", "revoke", grant_id).exit_code == 0
    listed = json.loads(run_command("support", "list", tenant.slug, "--json").output)
    assert [(each["id"], each["state"]) for each in listed] == [(grant_id, "revoked")]


@pytest.mark.parametrize("duration", ["0h", "25h", "2", "-1h", "h", "1h1441m", "2d"])
def test_a_duration_is_bounded(run_command, tenant, duration):
    refused = run_command(
        *("support", "request", tenant.slug, "--subject", "o", "--reason", "r", "--ticket", "t"),
        *("--for", duration),
    )
    assert refused.exit_code == 2


def test_nobody_becomes_an_owner(app, run_command, tenant):
    refused = run_command(
        *("support", "request", tenant.slug, "--subject", "o", "--reason", "r", "--ticket", "t"),
        *("--for", "1h", "--role", "owner"),
    )
    assert refused.exit_code == 2
    with app.app_context(), pytest.raises(Exception, match="never_owner"):
        grants.request_grant(
            tenant.slug,
            "o",
            issuer="https://issuer.example",
            reason="r",
            ticket="t",
            duration=dt.timedelta(hours=1),
            role=Role.OWNER,
            phi_level=PhiLevel.NONE,
        )


def test_the_owner_sees_the_tenants_grants_and_no_others(app, make_tenant, as_member, grant):
    mine, other = make_tenant(), make_tenant()
    ids = [str(grant(mine, subject=f"ops|{number}")) for number in range(3)]
    grant(other)
    owner = as_member(mine, Role.OWNER)

    first = owner.get("/audit/support-grants?limit=2&total=true")
    assert first.status_code == 200, first.json
    assert first.json["page"]["total"] == 3
    rest = owner.get(f"/audit/support-grants?limit=2&cursor={first.json['page']['next']}")
    shown = first.json["data"] + rest.json["data"]
    assert [each["id"] for each in shown] == ids[::-1]
    assert {each["state"] for each in shown} == {"active"}
    assert shown[0]["reason"] == "The import stops."
    assert (shown[0]["requested_by"], shown[0]["approved_by"]) == ("jo", "kim")
    assert as_member(mine, Role.AUDITOR).get("/audit/support-grants").status_code == 200
    for role in (Role.VIEWER, Role.RECRUITER, Role.COORDINATOR):
        assert as_member(mine, role).get("/audit/support-grants").status_code == 403


def test_a_visit_is_in_the_catalogs_log(worker, tenant, grant, records):
    grant_id = grant(tenant)
    assert ask(worker, "/me", tenant).status_code == 200
    for _ in range(500):
        if any(each["action"] == "sign-in" for each in records()):
            break
        time.sleep(0.01)

    by_action = {each["action"]: each for each in records()}
    assert by_action["sign-in"]["details"]["support_grant"] == str(grant_id)
    assert by_action["support_grant insert"]["tenant_id"] == str(tenant.id)
    assert by_action["support_grant update"]["details"]["new"]["approved_by"] == "kim"


def test_the_person_is_not_read_from_variables(monkeypatch):
    before = current_person()
    for name in ("USER", "LOGNAME", "SUDO_USER", "SUDO_UID"):
        monkeypatch.setenv(name, "somebody")

    assert current_person() == before
    assert before.name
