"""The built-in issuer: its tokens, and its profile for the verifier."""

import json
import secrets
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from joserfc import jws

from trially.auth.issuer_profile import IssuerProfile
from trially.auth.resolvers import ClaimResolver
from trially.auth.signing_keys import LocalKeys
from trially.config import LOOPBACK_HOSTS
from trially.dev_issuer.key_file import load_or_create_key
from trially.dev_issuer.people import ListedPeople, People, Person
from trially.dev_issuer.sign_ins import SignIn

DEFAULT_MAX_LIFETIME_SECONDS = 86_400


class DevIssuer:
    """An issuer for a developer's own machine, without passwords and with one public secret.

    `url` is its URL with the path, such as `http://127.0.0.1:5000/dev-issuer`. Raises `ValueError`
    if it is not on loopback.
    """

    def __init__(
        self,
        url: str,
        key_file: Path,
        audience: str,
        tenant_claim: str = "https://trially.ai/tenant",
        lifetime_seconds: int = 43_200,
        people: People | None = None,
        recorded_as: str | None = None,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or parts.hostname not in LOOPBACK_HOSTS:
            raise ValueError(f"The built-in issuer needs a loopback URL, not {url!r}.")
        self.url = url.rstrip("/")
        self.recorded_as = recorded_as or self.url
        """The name under which its members are recorded. It may differ from the URL."""

        self.audience = audience
        self.tenant_claim = tenant_claim
        self.lifetime_seconds = lifetime_seconds
        self.people: People = people or ListedPeople()
        """The people who can sign in."""

        self._key = load_or_create_key(key_file)

    def issue_token(
        self,
        *,
        subject: str,
        tenant: str | None,
        client_id: str = "dev",
        lifetime_seconds: int | None = None,
        audience: str | None = None,
        **claims: Any,
    ) -> str:
        """Return an access token (RFC 9068). `claims` are added, and replace no other claim.

        Without an audience, it is that of the API of tenants.
        """
        tenant_claims = {} if tenant is None else {self.tenant_claim: tenant}
        return self._sign(
            {
                **claims,
                **tenant_claims,
                "sub": subject,
                "aud": audience or self.audience,
                "client_id": client_id,
                "jti": secrets.token_urlsafe(16),
            },
            lifetime_seconds or self.lifetime_seconds,
            typ="at+jwt",
        )

    def issue_id_token(self, sign_in: SignIn, person: Person, *, nonce: str | None) -> str:
        """Return an ID token. Clients read it, and this back end rejects it."""
        return self._sign(
            {
                **self.describe(person, sign_in.scope),
                "aud": sign_in.client_id,
                "auth_time": sign_in.auth_time,
                "sid": sign_in.session_id,
                **({"nonce": nonce} if nonce else {}),
            },
            self.lifetime_seconds,
        )

    def describe(self, person: Person, scope: str) -> dict[str, str]:
        """Return the claims about a person in ID tokens and at the userinfo endpoint."""
        has_email = person.email is not None and "email" in scope.split()
        return {
            "sub": person.subject,
            "name": person.display_name,
            "role": person.role,
            self.tenant_claim: person.tenant,
            **({"email": person.email or ""} if has_email else {}),
        }

    def profile(self) -> IssuerProfile:
        """Return the profile for a verifier in the same process. Its keys need no HTTP."""
        return IssuerProfile(
            issuer=self.url,
            recorded_as=self.recorded_as,
            audiences=(self.audience,),
            algorithms=frozenset({"RS256"}),
            max_lifetime_seconds=max(self.lifetime_seconds, DEFAULT_MAX_LIFETIME_SECONDS),
            keys=LocalKeys(self._key),
            resolver=ClaimResolver((self.tenant_claim,)),
        )

    def public_keys(self) -> dict[str, Any]:
        """Return the JWKS."""
        return {"keys": [self._key.as_dict(private=False)]}

    def _sign(self, claims: dict[str, Any], lifetime_seconds: int, **header: str) -> str:
        issued_at = int(time.time())
        times = {"iss": self.url, "iat": issued_at, "exp": issued_at + lifetime_seconds}
        return jws.serialize_compact(
            {"alg": "RS256", "kid": self._key.kid, **header},
            json.dumps({**claims, **times}),
            self._key,
        )
