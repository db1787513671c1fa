"""The sites whose patients the caller may see: of the others, there are none."""

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement

from trially.http.problems import validation_failed
from trially.state import request_state


def own_sites() -> frozenset[UUID] | None:
    """Return the sites that the caller is restricted to, None for a caller who is not."""
    identity = request_state().identity
    if identity is None:
        raise RuntimeError("The request has not been authenticated.")
    return identity.site_ids


def at_own_sites(site_id: ColumnElement[Any]) -> tuple[ColumnElement[bool], ...]:
    """Hold a statement to rows of the caller's sites, which have their site in this column."""
    sites = own_sites()
    return () if sites is None else (site_id.in_(sites),)


def check_own_site(site_id: UUID | None) -> None:
    """Answer 422 if the caller is restricted to sites and this is none of them."""
    sites = own_sites()
    if sites is not None and site_id not in sites:
        raise validation_failed([{"pointer": "/site_id", "detail": "Must be one of your sites."}])
