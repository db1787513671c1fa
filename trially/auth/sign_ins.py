"""Record in the catalog's log who signed in to which tenant.

A sign-in is the first request of a member with a session of the issuer that a process serves. It is
written while the request goes on: members are served while the catalog is away, and what they see
is in their tenant's own log. A sign-in that could not be written is written at a later request.
"""

import datetime as dt
import hashlib
from concurrent.futures import Future
from functools import partial

from flask import Flask
from sqlalchemy import insert

from trially.auth.members.identities import Identity
from trially.auth.tokens import Claims
from trially.cache.ttl_cache import TTLCache
from trially.keys.api_keys import PresentedKey
from trially.state import app_state, state_of
from trially.tenancy.catalog_reader import catalog_reader
from trially.tenancy.catalog_sessions import reader_engine
from trially.tenancy.operators.model import OperatorAction, Stage

CACHE_CAPACITY = 20_000
KEPT_SECONDS = 86_400

SignIn = tuple[object, ...]
"""Tenant, issuer, subject, support grant and session."""


def note_sign_in(claims: Claims | PresentedKey, identity: Identity) -> None:
    """Record the caller's sign-in, unless this process has recorded it. A key does not sign in."""
    if isinstance(claims, PresentedKey):
        return
    recorded = app_state().sign_ins
    session = session_of(claims)
    key = (identity.tenant_id, claims.iss, claims.sub, identity.acting_for, session)
    if recorded.get(key):
        return
    recorded.put(key, key)
    asked = catalog_reader().send(lambda: _write(identity, session))
    asked.add_done_callback(partial(forget_failed, recorded, key))


def session_of(claims: Claims) -> str:
    """Return a name for the session in which a token was issued; without any, the day.

    It is hashed, because the id of a session may be a secret of the issuer.
    """
    day = dt.datetime.fromtimestamp(claims.iat, dt.UTC).date()
    session = claims.claims.get("sid") or claims.claims.get("auth_time") or day
    return hashlib.sha256(f"{claims.iss} {session}".encode()).hexdigest()[:16]


def _write(identity: Identity, session: str) -> None:
    details = {"issuer": identity.issuer, "session": session, "role": identity.role}
    if identity.acting_for is not None:
        details["support_grant"] = str(identity.acting_for)
    row = {
        "stage": Stage.NOTED,
        "action": "sign-in",
        "actor": identity.subject,
        "target": str(identity.tenant_id),
        "tenant_id": identity.tenant_id,
        "details": details,
    }
    with reader_engine().begin() as catalog:
        catalog.execute(insert(OperatorAction).values(row).inline())


def forget_failed(recorded: TTLCache[SignIn, SignIn], key: SignIn, asked: Future[None]) -> None:
    """Forget a sign-in that could not be written, so that a later request writes it."""
    if asked.exception() is not None:
        recorded.forget(lambda each: each == key)


def init_app(app: Flask) -> None:
    """Create the app's memory of recorded sign-ins."""
    state_of(app).sign_ins = TTLCache(CACHE_CAPACITY, KEPT_SECONDS)
