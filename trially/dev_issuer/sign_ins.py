"""Sign-ins, with their codes and refresh tokens. They are in the memory of one process.

A restart ends all sign-ins: a client then gets `invalid_grant` and starts a new one.
"""

import secrets
import threading
import time
from dataclasses import dataclass, field

from trially.dev_issuer.clients import Client
from trially.dev_issuer.people import Person

CODE_LIFETIME_SECONDS = 60
REFRESH_LIFETIME_SECONDS = 7 * 86_400
"""How long refresh tokens of a sign-in are valid. Rotation does not extend it."""

MAX_CODES = 1000
MAX_REFRESHABLE = 1000


@dataclass(frozen=True)
class SignIn:
    """What a person allowed a client: the person, the scope and the time."""

    client_id: str
    scope: str
    person: Person
    auth_time: int
    session_id: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    """The claim `sid` of its ID tokens. With it, a client ends the sign-in."""

    def get_scope(self) -> str:
        """Return the allowed scope. Authlib calls this."""
        return self.scope

    def check_client(self, client: Client) -> bool:
        """Return whether the sign-in is for this client. Authlib calls this."""
        return client.client_id == self.client_id


@dataclass(frozen=True)
class IssuedCode:
    """An authorization code and the request that it is bound to."""

    code: str
    redirect_uri: str
    nonce: str | None
    code_challenge: str
    code_challenge_method: str
    sign_in: SignIn
    expires_at: float

    def get_redirect_uri(self) -> str:
        """Return the redirect URI that the code was sent to."""
        return self.redirect_uri

    def get_scope(self) -> str:
        """Return the requested scope."""
        return self.sign_in.scope


class IssuedCodes:
    """The unused codes."""

    def __init__(self) -> None:
        self._codes: dict[str, IssuedCode] = {}
        self._lock = threading.Lock()

    def store(self, code: IssuedCode) -> None:
        """Store a code until it is taken, or until `MAX_CODES` newer codes are stored."""
        with self._lock:
            while len(self._codes) >= MAX_CODES:
                self._codes.pop(next(iter(self._codes)))
            self._codes[code.code] = code

    def take(self, code: str, client_id: str) -> IssuedCode | None:
        """Return a valid code, or None. In any case the code cannot be taken again."""
        with self._lock:
            issued = self._codes.pop(code, None)
        if issued is None or issued.sign_in.client_id != client_id:
            return None
        return issued if issued.expires_at > time.time() else None


@dataclass
class _Family:
    """The refresh tokens of one sign-in. Only the newest one is valid."""

    sign_in: SignIn
    expires_at: float
    secret: str = ""


class RefreshTokens:
    """The refresh tokens that can still be used.

    A token is the random name of its family and a secret. Each use replaces the secret. A token
    with another secret was used before, by the client or by a thief, so it ends the family (OAuth
    2.0 Security BCP, RFC 9700, 4.14.2). Only holders of a refresh token know the family's name.
    """

    def __init__(self) -> None:
        self._families: dict[str, _Family] = {}
        self._lock = threading.Lock()

    def issue(self, sign_in: SignIn) -> str:
        """Return the first refresh token of a sign-in."""
        with self._lock:
            while len(self._families) >= MAX_REFRESHABLE:
                self._families.pop(next(iter(self._families)))
            name = secrets.token_urlsafe(16)
            self._families[name] = _Family(sign_in, time.time() + REFRESH_LIFETIME_SECONDS)
            return self._renew(name)

    def find(self, token: str) -> SignIn | None:
        """Return the sign-in of a valid token, or None. A token that was used ends its family."""
        with self._lock:
            family = self._find(token)
            return family.sign_in if family else None

    def rotate(self, token: str) -> str | None:
        """Return the next token. None if this one is not valid: of two uses at once, one wins."""
        with self._lock:
            return self._renew(token.partition(".")[0]) if self._find(token) else None

    def end(self, session_id: str) -> None:
        """Revoke the refresh tokens of a sign-in."""
        with self._lock:
            for name, family in list(self._families.items()):
                if family.sign_in.session_id == session_id:
                    del self._families[name]

    def _find(self, token: str) -> _Family | None:
        name, _, secret = token.partition(".")
        family = self._families.get(name)
        if family is None:
            return None
        is_newest = secrets.compare_digest(family.secret.encode(), secret.encode())
        if is_newest and family.expires_at > time.time():
            return family
        del self._families[name]
        return None

    def _renew(self, name: str) -> str:
        family = self._families[name]
        family.secret = secrets.token_urlsafe(32)
        return f"{name}.{family.secret}"
