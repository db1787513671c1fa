"""An identity provider, as tests play it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from members import Member
from werkzeug.test import TestResponse

from trially.state import state_of

SignIn = Callable[..., Member]
"""`sign_in(tenant, subject, **claims)`: a client of a person who need not be a member."""

CORE = "urn:ietf:params:scim:schemas:core:2.0"
ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
SCIM_TYPE = "application/scim+json"


@dataclass
class IdentityProvider:
    """A program with an API key for SCIM."""

    member: Member
    """The key as a member's token."""

    owner: Member

    def request(self, method: str, path: str, body: Any = None, **options: Any) -> TestResponse:
        if body is not None:
            options |= {"json": body}
            options.setdefault("content_type", SCIM_TYPE)
        return self.member.request(method, f"/scim/v2{path}", **options)

    def get(self, path: str, **options: Any) -> TestResponse:
        return self.request("GET", path, **options)

    def post(self, path: str, body: Any, **options: Any) -> TestResponse:
        return self.request("POST", path, body, **options)

    def put(self, path: str, body: Any, **options: Any) -> TestResponse:
        return self.request("PUT", path, body, **options)

    def delete(self, path: str, **options: Any) -> TestResponse:
        return self.request("DELETE", path, **options)

    def patch(self, path: str, *operations: Any, **options: Any) -> TestResponse:
        body = {"schemas": [PATCH], "Operations": list(operations)}
        return self.request("PATCH", path, body, **options)

    def add_user(self, word: str, /, **attributes: Any) -> str:
        """Create a user with an address, and return its id."""
        return str(created(self.post("/Users", user(word, **attributes)))["id"])

    def add_group(self, name: str, *user_ids: str) -> str:
        """Create a group with members, and return its id."""
        return str(created(self.post("/Groups", group(name, *user_ids)))["id"])


def provider_of(owner: Member) -> IdentityProvider:
    """Return an identity provider of the owner's tenant."""
    body = {
        "name": "SCIM",
        "scopes": ["members:provision"],
        "phi_level": "none",
        "valid_days": 30,
    }
    key = created(owner.post("/api-keys", json=body))["key"]
    return IdentityProvider(
        Member(owner.app.test_client(), key, owner.tenant, owner.subject), owner
    )


def user(word: str, /, **attributes: Any) -> dict[str, Any]:
    """Return a user as identity providers send it."""
    return {
        "schemas": [f"{CORE}:User"],
        "userName": f"{word}@clinic.example",
        "emails": [{"value": f"{word}@clinic.example", "type": "work", "primary": True}],
        "active": True,
        **attributes,
    }


def group(name: str, *user_ids: str, **attributes: Any) -> dict[str, Any]:
    """Return a group as identity providers send it."""
    return {
        "schemas": [f"{CORE}:Group"],
        "displayName": name,
        "members": [{"value": each} for each in user_ids],
        **attributes,
    }


def created(answer: TestResponse) -> Any:
    assert answer.status_code == 201, answer.text
    return answer.json


def shown(answer: TestResponse) -> Any:
    assert answer.status_code == 200, answer.text
    assert answer.mimetype in (SCIM_TYPE, "application/json")
    return answer.json


def error_of(answer: TestResponse) -> tuple[int, str | None]:
    """Return the status of a SCIM error, and its keyword."""
    assert answer.mimetype == SCIM_TYPE, answer.text
    body = answer.json
    assert body["schemas"] == [ERROR]
    assert body["status"] == str(answer.status_code)
    assert body["detail"]
    return answer.status_code, body.get("scimType")


def set_up(owner: Member, linked_by: str = "email") -> None:
    """Let users sign in at the first trusted issuer."""
    issuer = owner.get("/members").json["data"][0]["issuer"]
    body = {"issuer": issuer, "linked_by": linked_by}
    shown(owner.patch("/provisioning", json=body))


def map_group(owner: Member, group_id: str, role: str | None, **rights: Any) -> TestResponse:
    """Choose what a group grants."""
    return owner.patch(f"/provisioning/groups/{group_id}", json={"role": role, **rights})


def verified(name: str) -> dict[str, Any]:
    """Return the claims of a token with a verified address."""
    return {"email": f"{name}@clinic.example", "email_verified": True}


def forget_members(member: Member) -> None:
    """Let the app read members again, as it does within 5 seconds by itself."""
    state = state_of(member.app)
    state.identities.forget(lambda _: True)
    state.api_keys.valid.forget(lambda _: True)
