"""The API of people of organisations shares no token, no role and no database with the others."""

from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from members import AsMember
from platform_clients import Operator
from platform_rules import API_OF_ORGANISATIONS, API_OF_PLATFORM, is_organisations
from shared_patients import Analyst, MakeNetwork
from sqlalchemy import text

from trially.auth.organisations.permissions import (
    ROLES,
    OrganisationPermission,
    requires_organisation,
)
from trially.auth.organisations.verifying import organisation_audience
from trially.auth.platform.verifying import platform_audience
from trially.auth.roles import PhiLevel, Role
from trially.config import SettingsError
from trially.database.session import db
from trially.http.answering import json_response
from trially.http.disclosures import DisclosingViewError, refuse_patients_in
from trially.recruiting.patients.routes import show_patient
from trially.state import state_of
from trially.tenancy.catalog import Tenant
from trially.tenancy.catalog_sessions import control_engine
from trially.tenancy.context import tenant_context
from trially.tenancy.operators.managing import add_operator
from trially.tenancy.operators.model import PlatformRole
from trially.tenancy.organisations.managing import remove_person


def paths(app: Flask) -> list[str]:
    found = [rule.rule for rule in app.url_map.iter_rules() if is_organisations(rule)]
    assert len(found) == 2
    return [each.replace("<uuid:organisation_id>", str(uuid4())) for each in found]


def audiences_of(app: Flask) -> dict[str, str]:
    settings = state_of(app).settings
    return {
        "tenants": settings.audiences[0],
        "platform": platform_audience(settings),
        "organisations": organisation_audience(settings),
    }


def issue(app: Flask, subject: str, audience: Any, tenant: str | None = None) -> str:
    issuer = state_of(app).dev_issuer
    assert issuer is not None
    return issuer.issue_token(subject=subject, tenant=tenant, audience=audience)


def test_no_route_takes_a_token_of_a_member_or_of_an_operator(
    app: Flask, as_member: AsMember, tenant: Tenant
) -> None:
    owner = as_member(tenant, Role.OWNER, phi_level=PhiLevel.FULL)
    for token in (owner.token, Operator(app).token, "none", ""):
        for path in paths(app):
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            answer = app.test_client().get(path, headers=headers)
            assert answer.status_code == 401, path
            assert 'realm="trially-organisations"' in answer.headers["WWW-Authenticate"]


def test_a_token_of_an_analyst_opens_no_other_api(
    app: Flask, make_network: MakeNetwork, tenant: Tenant
) -> None:
    headers = {"Authorization": f"Bearer {make_network(tenant).analyst.token}"}

    for path in ("/api/v1/me", "/api/v1/patients", "/api/v1/sharing", f"{API_OF_PLATFORM}/me"):
        for named in ({}, {"X-Tenant-ID": tenant.slug}):
            answer = app.test_client().get(path, headers={**headers, **named})
            assert answer.status_code == 401, path


@pytest.mark.parametrize("pair", [("tenants", "organisations"), ("platform", "organisations")])
def test_a_token_for_two_apis_is_one_for_neither(
    app: Flask, make_network: MakeNetwork, tenant: Tenant, as_member: AsMember, pair: Any
) -> None:
    network, member = make_network(tenant), as_member(tenant, Role.OWNER)
    audiences = [audiences_of(app)[each] for each in pair]
    issuer = state_of(app).dev_issuer
    assert issuer is not None
    with app.app_context():
        add_operator(issuer.recorded_as, member.subject, PlatformRole.ADMIN)
    for subject in (member.subject, f"analyst@{network.short_name}"):
        token = issue(app, subject, audiences, tenant.slug)
        for path in ("/api/v1/me", f"{API_OF_PLATFORM}/me", API_OF_ORGANISATIONS):
            answer = app.test_client().get(path, headers={"Authorization": f"Bearer {token}"})
            assert answer.status_code == 401, (subject, path)


def test_a_member_or_a_stranger_with_the_audience_is_no_person_of_an_organisation(
    app: Flask, make_network: MakeNetwork, tenant: Tenant, as_member: AsMember
) -> None:
    network, member = make_network(tenant), as_member(tenant, Role.OWNER)
    for subject in (member.subject, "stranger"):
        token = issue(app, subject, audiences_of(app)["organisations"])
        for path in ("", f"/{network.id}/analytics"):
            answer = Analyst(app, token).get(path)
            assert (answer.status_code, answer.json["code"]) == (403, "not_in_an_organisation")


def test_an_analyst_who_was_removed_is_shut_out(
    app: Flask, make_network: MakeNetwork, tenant: Tenant
) -> None:
    network = make_network(tenant)
    assert network.answer().status_code == 200
    issuer = state_of(app).dev_issuer
    assert issuer is not None

    with app.app_context():
        remove_person(network.short_name, issuer.recorded_as, f"analyst@{network.short_name}")
    state_of(app).people_of_organisations.forget(lambda _: True)

    assert network.answer().status_code == 403


@pytest.mark.parametrize("choice", ["path", "header"])
def test_a_request_names_no_tenant(
    app: Flask, make_network: MakeNetwork, tenant: Tenant, choice: str
) -> None:
    analyst = make_network(tenant).analyst
    if choice == "path":
        headers = {"Authorization": f"Bearer {analyst.token}"}
        path = f"/{tenant.slug}{API_OF_ORGANISATIONS}"
        assert app.test_client().get(path, headers=headers).status_code == 404
    else:
        assert analyst.get(headers={"X-Tenant-ID": tenant.slug}).status_code == 400


def test_a_view_that_enters_a_tenant_fails(
    app: Flask, make_network: MakeNetwork, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    @requires_organisation(OrganisationPermission.ORGANISATION_READ)
    def careless() -> Any:
        with tenant_context(tenant.slug):
            return json_response(db.session.scalar(text("SELECT count(*) FROM patient")))

    monkeypatch.setitem(app.view_functions, "organisations.list_own_organisations", careless)

    answer = make_network(tenant).analyst.get()

    assert (answer.status_code, answer.json["code"]) == (500, "internal_error")


def test_a_view_about_patients_cannot_be_one_of_organisations() -> None:
    permission = show_patient.__dict__["permission"]

    with pytest.raises(DisclosingViewError, match="has fields about patients"):
        refuse_patients_in({"patients.show": show_patient}, {permission})


def test_each_permission_belongs_to_a_route_and_a_role(app: Flask) -> None:
    used = {
        app.view_functions[rule.endpoint].__dict__["permission"]
        for rule in app.url_map.iter_rules()
        if is_organisations(rule)
    }

    assert used == set(OrganisationPermission) == set().union(*ROLES.values())


def test_the_document_describes_these_routes_and_no_others(app: Flask) -> None:
    document = app.test_client().get("/openapi-organisations.json").json
    served = {
        rule.rule.replace("<uuid:organisation_id>", "{organisation_id}")
        for rule in app.url_map.iter_rules()
        if is_organisations(rule)
    }

    assert set(document["paths"]) == served
    assert document["security"] == [{"person": []}]
    of_tenants = app.test_client().get("/openapi.json").json
    assert not served & set(of_tenants["paths"])


@pytest.mark.parametrize("other", ["tenants", "platform"])
def test_the_audience_of_another_api_stops_the_start(
    app: Flask, blank_app: Any, other: str
) -> None:
    with pytest.raises(SettingsError, match="audience"):
        blank_app(organisation_audience=audiences_of(app)[other])


def test_a_sign_in_is_recorded(app: Flask, make_network: MakeNetwork, tenant: Tenant) -> None:
    network = make_network(tenant)
    assert network.answer().status_code == 200

    written = (
        "SELECT details ->> 'organisations' FROM operator_action"
        " WHERE action = 'organisation sign-in' AND actor LIKE :actor"
    )
    with app.app_context(), control_engine().connect() as catalog:
        found = catalog.scalars(
            text(written), {"actor": f"analyst@{network.short_name} of %"}
        ).all()
    assert found == [f'["{network.id}"]']
