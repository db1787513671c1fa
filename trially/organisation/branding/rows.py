"""The branding of the current tenant, as its owners and admins see it."""

import hashlib
from collections.abc import Mapping
from typing import Any

from sqlalchemy import delete
from sqlalchemy.dialects.postgresql import insert

from trially.database.changes import note_derived
from trially.database.placement import current_placement
from trially.database.rows import Item, of_current_tenant, table_of
from trially.database.session import db
from trially.http.codes import Code
from trially.http.etags import Versions
from trially.http.problems import Conflict
from trially.organisation.branding.colors import NEEDED_CONTRAST, contrast
from trially.organisation.branding.domains import FILE_PATH, new_token, proof_of, record_name
from trially.organisation.branding.publishing import SHOWN, enqueue_publication
from trially.organisation.branding.verifying import enqueue_verification
from trially.organisation.model import TenantBranding, TenantLogo
from trially.organisation.published import DomainState, read_domain_state
from trially.organisation.singletons import (
    combined_version,
    lock_row,
    read_row,
    refuse_other_version,
    write_row,
)

COLUMNS = (*SHOWN, "logo_digest", "domain", "domain_token")
WHITE = "#ffffff"


def read_branding() -> Item:
    """Return the branding, and what is known about its domain.

    Raises `CatalogUnavailableError`.
    """
    return _describe(read_row(TenantBranding, COLUMNS), read_domain_state())


def change_branding(versions: Versions | None, changes: Mapping[str, Any]) -> Item:
    """Change the branding, let a worker publish it, and return it.

    A new domain gets a new token. Answers 412 if the branding has another version. Raises
    `CatalogUnavailableError`.
    """
    state = read_domain_state()
    former = _lock(versions, state)
    domain = changes.get("domain", former["domain"])
    token = former["domain_token"]
    if domain != former["domain"]:
        token = None if domain is None else new_token()
    row = write_row(TenantBranding, {**changes, "domain_token": token}, COLUMNS)
    enqueue_publication({})
    return _describe(row, state)


def store_logo(versions: Versions | None, content: bytes, media_type: str) -> Item:
    """Store a logo that `encode_logo` has encoded, as `change_branding` does."""
    state = read_domain_state()
    _lock(versions, state)
    tenant_id = current_placement().tenant_id
    values = {"media_type": media_type, "content": content}
    db.session.execute(
        insert(table_of(TenantLogo))
        .values(tenant_id=tenant_id, id=tenant_id, **values)
        .on_conflict_do_update(index_elements=["tenant_id", "id"], set_=values)
    )
    note_derived(TenantLogo.__tablename__)
    return _write_digest(hashlib.sha256(content).hexdigest(), state)


def remove_logo(versions: Versions | None) -> None:
    """Remove the logo, as `change_branding` changes it."""
    state = read_domain_state()
    _lock(versions, state)
    db.session.execute(delete(table_of(TenantLogo)).where(of_current_tenant(TenantLogo)))
    note_derived(TenantLogo.__tablename__)
    _write_digest(None, state)


def request_verification() -> Item:
    """Return a job that verifies the domain. Answers 409 if the tenant has none."""
    if read_row(TenantBranding, ("domain",))["domain"] is None:
        raise Conflict("The branding has no domain. Set one first.", code=Code.NO_DOMAIN)
    return enqueue_verification()


def _lock(versions: Versions | None, state: DomainState | None) -> Item:
    row = lock_row(TenantBranding, COLUMNS)
    refuse_other_version(_describe(row, state)["version"], versions)
    return row


def _write_digest(digest: str | None, state: DomainState | None) -> Item:
    row = write_row(TenantBranding, {"logo_digest": digest}, COLUMNS)
    enqueue_publication({})
    return _describe(row, state)


def _describe(row: Item, state: DomainState | None) -> Item:
    """Return one item. Its version grows with the row, and tells other states of the domain."""
    described = _domain_state(row, state)
    return {
        **{name: row[name] for name in (*SHOWN, "logo_digest", "domain")},
        "domain_state": described,
        "warnings": find_warnings(row),
        "version": combined_version(row["version"], described),
    }


def _domain_state(row: Item, state: DomainState | None) -> dict[str, Any] | None:
    domain, token = row["domain"], row["domain_token"]
    if domain is None or token is None:
        return None
    known = state if state is not None and state.domain == domain else None
    return {
        "is_verified": known is not None and known.is_held,
        "proof": {"record": record_name(domain), "path": FILE_PATH, "text": proof_of(token)},
        **{
            name: None if known is None else getattr(known, name)
            for name in ("checked_at", "verified_at", "expires_at", "failure")
        },
    }


def find_warnings(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the pairs of chosen colours whose contrast is below WCAG 2.2 AA."""
    pairs = {"on_primary_color": row["primary_color"], "accent_color": WHITE}
    return [
        {
            "pointer": f"/{name}",
            "against": against,
            "contrast": round(contrast(row[name], against), 2),
            "needed": NEEDED_CONTRAST,
        }
        for name, against in pairs.items()
        if row[name] is not None
        and against is not None
        and contrast(row[name], against) < NEEDED_CONTRAST
    ]
