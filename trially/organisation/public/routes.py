"""Public routes of branding: they need no token, and caches may keep the answers."""

from typing import Any

from flask import Blueprint, Response, after_this_request, request, url_for

from trially.auth.permissions import public
from trially.database.rows import Item
from trially.http.contract import answers_in, queries, returns_version
from trially.http.problems import BadRequest, NotFound
from trially.organisation.branding.logos import MEDIA_TYPES
from trially.organisation.public.schema import BrandingQuerySchema, PublicBrandingSchema
from trially.state import app_state

bp = Blueprint("branding", __name__, url_prefix="/branding")

FOR_A_MINUTE = "public, max-age=60, stale-while-revalidate=600"
FOR_EVER = "public, max-age=31536000, immutable"
LOGO_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
"""An SVG that is opened by itself runs nothing and loads nothing."""


@bp.get("")
@public
@queries(BrandingQuerySchema())
@returns_version(PublicBrandingSchema())
def show_branding(query: dict[str, Any]) -> Item:
    """Show the branding of a tenant, by its domain or its slug, without signing in.

    An unknown name has the same answer as a tenant without branding, a suspended tenant, and a
    domain that is not verified. So has a request without a name. Caches may keep the answer for a
    minute.
    """
    if len(query) > 1:
        raise BadRequest("Name either a domain or a slug, not both.")
    domain = query.get("domain")
    branding = app_state().public_branding.find(
        slug=query.get("slug"), domain=None if domain is None else domain.lower().rstrip(".")
    )
    values = dict(branding.values)
    digest = values.pop("logo_digest")
    url = None if digest is None else url_for("branding.show_logo", digest=digest)
    after_this_request(_cached_for_a_minute)
    return {**values, "logo_url": url, "version": branding.version}


@bp.get("/logos/<string:digest>")
@public
@answers_in(MEDIA_TYPES, has_etag=True)
def show_logo(digest: str) -> Response:
    """Show the logo of a tenant, without signing in.

    `logo_url` of the branding is the address. Another logo has another address, so caches may keep
    this one.
    """
    logo = app_state().public_branding.logo(digest)
    if logo is None:
        raise NotFound("There is no such logo.")
    response = Response(logo.content, content_type=logo.media_type)
    response.headers["Content-Security-Policy"] = LOGO_POLICY
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    response.set_etag(digest)
    response.make_conditional(request)
    return _cached(response, FOR_EVER)


def _cached_for_a_minute(response: Response) -> Response:
    return _cached(response, FOR_A_MINUTE)


def _cached(response: Response, cache_control: str) -> Response:
    """Let caches keep an answer, and pages of any site read it: it is the same for everybody."""
    response.headers["Cache-Control"] = cache_control
    response.headers["Access-Control-Allow-Origin"] = "*"
    return response
