"""An issuer that a tenant has registered, and tokens that it signs."""

import json
import time
from dataclasses import dataclass
from typing import Any

from http_issuers import RSA, Issuer
from joserfc import jwt
from joserfc.jwk import Key
from members import Member
from werkzeug.test import TestResponse

from trially.auth.members.managing import add_member
from trially.auth.roles import Role
from trially.tenancy.context import tenant_context


@dataclass
class Registered:
    """An issuer of the tenant of an owner."""

    owner: Member
    issuer: Issuer
    body: dict[str, Any]

    @property
    def path(self) -> str:
        return f"/issuers/{self.body['id']}"

    def show(self) -> dict[str, Any]:
        return dict(self.owner.get(self.path).json)

    def prove(self) -> None:
        answer = self.present(self.sign("owner-at-home"))
        assert answer.status_code == 200, answer.text

    def present(self, token: str) -> TestResponse:
        return self.owner.post(f"{self.path}/prove", json={"token": token})

    def sign(self, subject: str, *, key: Key = RSA, header: Any = None, **changes: Any) -> str:
        """Return a token of the issuer. A change to `...` leaves a claim out."""
        now = int(time.time())
        claims = {
            "iss": self.issuer.url,
            "aud": self.body["audience"],
            "sub": subject,
            "iat": now,
            "exp": now + 600,
            **changes,
        }
        claims = {name: value for name, value in claims.items() if value is not ...}
        names = {"alg": "RS256", "typ": "at+jwt", "kid": key.kid, **(header or {})}
        return jwt.encode(names, claims, key, algorithms=[names["alg"]])

    def add(self, subject: str, role: Role = Role.COORDINATOR) -> Member:
        """Add a member who signs in at the issuer, and return the member's client."""
        tenant = self.owner.tenant
        with self.owner.app.app_context(), tenant_context(str(tenant.id)):
            add_member(subject, role, issuer=self.issuer.url)
        return self.client(self.sign(subject), subject)

    def client(self, token: str, subject: str = "somebody") -> Member:
        return Member(self.owner.app.test_client(), token, self.owner.tenant, subject)


def register(owner: Member, issuer: Issuer, **changes: Any) -> Registered:
    answer = owner.post("/issuers", json={"issuer": issuer.url, "name": "Home", **changes})
    assert answer.status_code == 201, answer.text
    return Registered(owner, issuer, answer.json)


def refused(answer: TestResponse) -> tuple[int, str]:
    return answer.status_code, answer.json["code"]


def pointed(answer: TestResponse) -> tuple[int, str, str]:
    """Return the status of a refused body, and the place and the text of its first error."""
    assert answer.json["code"] == "validation_failed", answer.text
    error = answer.json["errors"][0]
    return answer.status_code, error["pointer"], error["detail"]


def log_of(member: Member) -> str:
    return json.dumps(member.get("/audit?limit=200").json)
