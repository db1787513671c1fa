"""The login page has the members of all tenants, from the tenants' own databases."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import update
from tenant_databases import access_of, remove_installation

from tests.dev_issuer.flows import LOGIN, exchange
from trially import create_app
from trially.auth.members.managing import add_member, remove_member
from trially.auth.roles import Role
from trially.config import Settings
from trially.dev_issuer.login_page import OPEN_TENANTS
from trially.dev_issuer.members import Members
from trially.tenancy.catalog import PlacementRecord
from trially.tenancy.catalog_choices import Tier
from trially.tenancy.catalog_sessions import catalog_transaction, control_engine
from trially.tenancy.context import tenant_context
from trially.tenancy.lifecycle.provisioning import create_tenant
from trially.tenancy.lifecycle.status import suspend_tenant
from trially.tenancy.schema.installing import install


@pytest.fixture(scope="module")
def installation(own_module_app: Flask) -> Flask:
    """Three tenants of three tiers."""
    with own_module_app.app_context():
        for slug, tier in (
            ("acme", Tier.POOLED_ROWS),
            ("globex", Tier.OWN_SCHEMA),
            ("initech", Tier.DEDICATED_DATABASE),
        ):
            create_tenant(slug, f"{slug.title()} Clinic", tier=tier)
        add("acme", "ann", display_name="Ann <Adams>", email="ann@acme.test")
        add("acme", "svc-acme")
        add("acme", "both")
        add("globex", "both", display_name="Bo Both")
        add("acme", "elsewhere", issuer="https://login.example")
    return own_module_app


@pytest.fixture(scope="module")
def own_module_app(app: Flask, settings: Settings) -> Iterator[Flask]:
    """An installation with no tenants but this file's."""
    catalog = "catalog_of_members"
    own = create_app(
        replace(settings, database_url=access_of(app).admin_url, catalog_database=catalog)
    )
    with own.app_context():
        install()
    yield own
    with own.app_context():
        control_engine().dispose()
    remove_installation(app, catalog)


def add(slug: str, subject: str, role: Role = Role.VIEWER, **options: Any) -> None:
    with tenant_context(slug):
        add_member(subject, role, **options)


def show(app: Flask, **parameters: str) -> str:
    response = app.test_client().get("/dev-issuer/authorize", query_string={**LOGIN, **parameters})
    assert response.status_code == 200
    return response.text


def people_of(page: str) -> dict[str, list[str]]:
    """Return the subjects on a page, by tenant."""
    found = {}
    for section in page.split("<section")[1:]:
        slug = re.search(r"<small>(.*?)</small>", section)
        assert slug is not None
        found[slug[1]] = re.findall(r'name="subject" value="(.*?)"', section)
    return found


def sign_in(client: FlaskClient, subject: str, **form: str) -> Any:
    sent = {**LOGIN, "scope": "openid email", "subject": subject, **form}
    response = client.post("/dev-issuer/authorize", data=sent)
    answer = parse_qs(urlsplit(response.location).query)
    return answer if "error" in answer else exchange(client, answer["code"][0]).get_json()


def test_members_of_every_tenant_are_listed(installation: Flask) -> None:
    page = show(installation)

    assert people_of(page) == {"acme": ["ann", "both"], "globex": ["both"], "initech": []}
    assert "Ann &lt;Adams&gt;" in page
    assert "flask tenants members add initech" in page
    assert "ann@acme.test" not in page


def test_a_member_signs_in_and_calls_the_api(installation: Flask) -> None:
    client = installation.test_client()

    for slug, subject in (("acme", "ann"), ("globex", "both")):
        tokens = sign_in(client, subject, tenant=slug)
        headers = {"Authorization": f"Bearer {tokens['access_token']}"}
        me = client.get("/api/v1/me", headers=headers).json
        user = client.get("/dev-issuer/userinfo", headers=headers).json
        assert (me["tenant"]["slug"], me["subject"]) == (slug, subject)
        assert user["sub"] == subject
    assert "email" not in user


@pytest.mark.parametrize(
    ("subject", "tenant"),
    [
        ("ann", "globex"),
        ("ann", "nowhere"),
        ("ann", "no\0where"),
        ("ann", "../acme"),
        ("a\0nn", "acme"),
        ("svc-acme", "acme"),
        ("elsewhere", "acme"),
        ("nobody", "acme"),
        ("", "acme"),
    ],
)
def test_no_one_else_signs_in(installation: Flask, subject: str, tenant: str) -> None:
    answer = sign_in(installation.test_client(), subject, tenant=tenant)

    assert answer["error"] == ["access_denied"]


def test_without_a_tenant_the_first_one_is_taken(installation: Flask) -> None:
    client = installation.test_client()
    token = sign_in(client, "both")["access_token"]

    me = client.get("/api/v1/me", headers={"Authorization": f"Bearer {token}"}).json

    assert me["tenant"]["slug"] == "acme"
    assert sign_in(client, "nobody")["error"] == ["access_denied"]


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ({"search": "adams"}, {"acme": ["ann"]}),
        ({"search": "BOTH"}, {"acme": ["both"], "globex": ["both"]}),
        ({"search": "ann@acme"}, {"acme": ["ann"]}),
        ({"search": "globex"}, {"globex": ["both"]}),
        ({"search": "%"}, {}),
        ({"search": "_"}, {}),
        ({"search": "nothing'--"}, {}),
        ({"search": "ad\0ams"}, {"acme": ["ann"]}),
        ({"search": "x" * 5000}, {}),
        ({"tenant": "globex"}, {"globex": ["both"]}),
        ({"tenant": "acme", "search": "an"}, {"acme": ["ann"]}),
        ({"tenant": "nowhere"}, {}),
        ({"tenant": "a\0"}, {}),
    ],
)
def test_the_page_can_be_searched(
    installation: Flask, parameters: dict[str, str], expected: dict[str, list[str]]
) -> None:
    page = show(installation, **parameters)

    assert people_of(page) == expected
    assert "Show all tenants" in page
    assert 'name="state" value="a &#34;state&#34; &amp; more"' in page


def test_a_suspended_tenant_is_not_signed_in_to(installation: Flask) -> None:
    with installation.app_context():
        create_tenant("asleep", "Asleep", tier=Tier.POOLED_ROWS)
        add("asleep", "zoe")
        suspend_tenant("asleep")

    page = show(installation)

    assert people_of(page)["asleep"] == []
    assert "flask tenants resume asleep" in page
    client = installation.test_client()
    assert sign_in(client, "zoe", tenant="asleep")["error"] == ["access_denied"]
    assert sign_in(client, "zoe")["error"] == ["access_denied"]


def test_a_broken_tenant_does_not_break_the_others(installation: Flask) -> None:
    with installation.app_context():
        tenant = create_tenant("broken", "Broken", tier=Tier.DEDICATED_DATABASE)
        add("broken", "ben")
        with catalog_transaction() as session:
            session.execute(
                update(PlacementRecord)
                .where(PlacementRecord.tenant_id == tenant.id)
                .values(database="no_such_database")
            )

    page = show(installation)

    assert people_of(page)["broken"] == []
    assert "does not answer" in page
    assert people_of(page)["acme"] == ["ann", "both"]
    client = installation.test_client()
    response = client.post(
        "/dev-issuer/authorize", data={**LOGIN, "subject": "ben", "tenant": "broken"}
    )
    assert response.status_code == 503
    assert "does not answer" in response.text
    assert "no_such_database" not in page + response.text


def test_many_tenants_and_members_stay_usable(
    installation: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    with installation.app_context():
        for number in range(OPEN_TENANTS):
            create_tenant(f"many-{number}", f"Many {number}", tier=Tier.POOLED_ROWS)
        for number in range(3):
            add("many-1", f"pat|{number}", display_name=f"Pat {number}")
    monkeypatch.setattr("trially.dev_issuer.login_page.MEMBERS_SHOWN", 2)
    opened: list[str] = []
    original = Members.members
    monkeypatch.setattr(
        Members,
        "members",
        lambda self, slug, *rest: opened.append(slug) or original(self, slug, *rest),
    )

    page = show(installation)

    assert opened == []
    assert len(people_of(page)) > OPEN_TENANTS
    assert 'name="tenant" value="many-1"' in page
    chosen = show(installation, tenant="many-1")
    assert people_of(chosen) == {"many-1": ["pat|0", "pat|1"]}
    assert "There are more members" in chosen
    assert people_of(show(installation, tenant="many-1", search="Pat 2")) == {"many-1": ["pat|2"]}
    assert people_of(show(installation, search="pat|")) == {"many-1": ["pat|0", "pat|1"]}


def test_a_removed_member_is_not_refreshed(installation: Flask) -> None:
    client = installation.test_client()
    with installation.app_context():
        add("globex", "leaving")
    tokens = sign_in(client, "leaving", tenant="globex", scope="openid offline_access")
    form = {"grant_type": "refresh_token", "client_id": "web"}
    form["refresh_token"] = tokens["refresh_token"]
    with installation.app_context(), tenant_context("globex"):
        remove_member("leaving")

    response = client.post("/dev-issuer/token", data=form)

    assert response.get_json()["error"] == "invalid_grant"
