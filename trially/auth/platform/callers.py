"""The operator who sends a request to the platform API, as the catalog knows the operator now."""

from dataclasses import dataclass

from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import Session

from trially.auth.platform.permissions import ROLES, PlatformPermission
from trially.auth.tokens import Claims
from trially.cache.ttl_cache import TTLCache
from trially.request_state import request_state
from trially.state import app_state, state_of
from trially.tenancy.catalog_reader import catalog_reader
from trially.tenancy.catalog_sessions import reader_engine
from trially.tenancy.operators.model import PlatformOperator, PlatformRole

CACHE_CAPACITY = 1_000


@dataclass(frozen=True)
class Caller:
    """An operator, and what the operator may do."""

    issuer: str
    subject: str
    role: PlatformRole

    @property
    def permissions(self) -> frozenset[PlatformPermission]:
        """What the operator may do."""
        return ROLES[self.role]


def find_caller(claims: Claims) -> Caller | None:
    """Return the operator who sent a token, or None. The answer is at most 5 seconds old.

    Raises `CatalogUnavailableError`: unlike members, operators are not served without the catalog.
    """
    known, key = app_state().platform_callers, (claims.iss, claims.sub)
    caller = known.get(key)
    if caller is None:
        caller = catalog_reader().ask(lambda: read_caller(*key))
        if caller is not None:
            known.put(key, caller)
    return caller


def read_caller(issuer: str, subject: str) -> Caller | None:
    """Return an operator as the catalog knows the operator now, or None."""
    with Session(reader_engine()) as session:
        role = session.scalar(
            select(PlatformOperator.role).where(
                PlatformOperator.issuer == issuer, PlatformOperator.subject == subject
            )
        )
    return None if role is None else Caller(issuer, subject, PlatformRole(role))


def current_caller() -> Caller:
    """Return the operator who sends the current request."""
    caller = request_state().caller_of_platform
    if caller is None:
        raise RuntimeError("The request has not been authenticated by the platform.")
    return caller


def init_app(app: Flask) -> None:
    """Create the app's memory of operators."""
    state = state_of(app)
    state.platform_callers = TTLCache(CACHE_CAPACITY, state.settings.placement_max_age_seconds)
