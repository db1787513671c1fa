"""`flask tenants api-keys …`."""

import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from members import AsMember, MakeTenant, Member

from trially.auth.roles import Role


@pytest.fixture
def owner(make_tenant: MakeTenant, as_member: AsMember) -> Member:
    return as_member(make_tenant(), Role.OWNER)


def create(owner: Member, name: str) -> Any:
    body = {"name": name, "scopes": ["sites:read"], "phi_level": "none", "valid_days": 1}
    return owner.post("/api-keys", json=body).json


def test_keys_are_listed_and_revoked(owner: Member, run_command: Callable[..., Any]) -> None:
    first, second, third = (create(owner, name) for name in ("First", "Second", "Third"))
    slug, group = owner.tenant.slug, ("tenants", "api-keys")

    listed = json.loads(run_command(*group, "list", slug, "--json").output)
    assert [(each["name"], each["subject"]) for each in listed] == [
        (name, owner.subject) for name in ("First", "Second", "Third")
    ]
    assert first["key"] not in run_command(*group, "list", slug).output

    one = run_command(*group, "revoke", slug, "--key", first["id"], "--yes")
    assert (one.exit_code, one.output) == (0, f"Revoked 1 API key of {slug}.\n")
    rest = run_command(*group, "revoke", slug, "--all", "--yes", "--json")
    assert json.loads(rest.output) == {"tenant": slug, "revoked": 2}
    assert owner.get("/api-keys").json["data"] == []
    for key in (first, second, third):
        headers = {"Authorization": f"Bearer {key['key']}"}
        assert owner.app.test_client().get("/api/v1/sites", headers=headers).status_code == 401


def test_wrong_options_revoke_nothing(owner: Member, run_command: Callable[..., Any]) -> None:
    key, slug = create(owner, "First"), owner.tenant.slug
    revoke = ("tenants", "api-keys", "revoke", slug, "--yes")

    for options in ((), ("--all", "--key", key["id"])):
        assert run_command(*revoke, *options).exit_code == 2
    unknown = run_command(*revoke, "--key", key["id"], "--key", uuid4())
    assert unknown.exit_code == 1
    assert "has no API key" in unknown.output
    assert len(owner.get("/api-keys").json["data"]) == 1


def test_the_question_names_the_keys(owner: Member, run_command: Callable[..., Any]) -> None:
    create(owner, "Nightly import")

    answer = run_command("tenants", "api-keys", "revoke", owner.tenant.slug, "--all")

    assert "Nightly import" in answer.output
    assert answer.exit_code != 0
