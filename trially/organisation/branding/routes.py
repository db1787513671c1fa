"""Routes of a tenant's branding. They add their views to those of the settings."""

from typing import Any

from flask import request, url_for

from trially.auth.permissions import Permission, requires
from trially.database.rows import Item
from trially.database.session import check_tenant_open, open_transaction
from trially.http.contract import (
    accepts_merge_patch,
    accepts_stream,
    feature,
    matches_versions,
    may_conflict,
    returns,
    returns_nothing,
    returns_version,
)
from trially.http.etags import Versions
from trially.http.uploads import received_upload
from trially.jobs.schema import JobSchema
from trially.organisation.branding.logos import MEDIA_TYPES, MOST_LOGO_BYTES, encode_logo
from trially.organisation.branding.rows import (
    change_branding,
    read_branding,
    remove_logo,
    request_verification,
    store_logo,
)
from trially.organisation.branding.schema import BrandingSchema
from trially.organisation.routes import bp
from trially.tenancy.entitlements.features import Feature


@bp.get("/branding")
@requires(Permission.SETTINGS_READ)
@returns_version(BrandingSchema())
def show_tenant_branding() -> Item:
    """Show the branding of the tenant.

    `domain_state` says how to prove that the domain is the tenant's, and whether the proof was
    found. Without the feature `branding` nothing of it is public.
    """
    return _shown(read_branding())


@bp.patch("/branding")
@requires(Permission.SETTINGS_WRITE)
@feature(Feature.BRANDING)
@matches_versions
@accepts_merge_patch(BrandingSchema(partial=True))
@returns_version(BrandingSchema())
def change_tenant_branding(versions: Versions | None, body: dict[str, Any]) -> Item:
    """Change the branding of the tenant.

    The body is a merge patch (RFC 7396): null restores the default. A worker publishes the change.
    Colours that are hard to read are accepted, and named in `warnings`. A new domain brands nothing
    before it is verified.
    """
    return _shown(change_branding(versions, body))


@bp.put("/branding/logo")
@requires(Permission.SETTINGS_WRITE)
@feature(Feature.BRANDING)
@matches_versions
@accepts_stream(MEDIA_TYPES)
@returns_version(BrandingSchema())
def replace_logo(versions: Versions | None) -> Item:
    """Upload the logo of the tenant: a PNG, JPEG, WebP or SVG picture of at most 512 KiB.

    The body is the file itself. Pictures are encoded once more, without metadata and at most 1024
    pixels wide and high. Of an SVG only shapes, texts and paints stay.
    """
    check_tenant_open()
    with received_upload(request, MEDIA_TYPES, MOST_LOGO_BYTES) as (file, _):
        content = encode_logo(file.read(), request.mimetype)
    open_transaction()
    return _shown(store_logo(versions, content, request.mimetype))


@bp.delete("/branding/logo")
@requires(Permission.SETTINGS_WRITE)
@feature(Feature.BRANDING)
@matches_versions
@returns_nothing
def delete_logo(versions: Versions | None) -> None:
    """Remove the logo of the tenant.

    `If-Match` names the version of the branding that the caller has seen. A worker publishes it.
    """
    remove_logo(versions)


@bp.post("/branding/verify-domain")
@requires(Permission.SETTINGS_WRITE)
@feature(Feature.BRANDING)
@may_conflict
@returns(JobSchema())
def verify_domain() -> Item:
    """Verify the domain of the tenant.

    A worker looks for the proof that `domain_state` names. The answer is its job. The proof must
    stay: it is looked for every day, and a domain whose proof is missing for 7 days brands nothing.
    A domain that another tenant holds is not given to this one.
    """
    return request_verification()


def _shown(branding: Item) -> Item:
    digest = branding.pop("logo_digest")
    url = None if digest is None else url_for("branding.show_logo", digest=digest)
    return {**branding, "logo_url": url}
