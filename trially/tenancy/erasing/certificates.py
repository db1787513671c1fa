"""Certificates of erasures: what was searched, with counts before and after, signed."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from trially.config import current_settings
from trially.errors import OperatorError
from trially.keys import Purpose, current_keys, signing
from trially.tenancy.erasing.base_backups import notes_on_backups
from trially.tenancy.erasing.erased_tenant import ErasedTenant, digest_of_slug
from trially.tenancy.erasing.model import Erasure

FORMAT = "trially-erasure/1"
_NAME = "certificate"


class ForgedCertificateError(OperatorError):
    """The file is no certificate, or its signature is invalid."""


def certify(
    erasure: Erasure,
    tenant: ErasedTenant,
    stores: Sequence[Mapping[str, Any]],
    destroyed_keys: Sequence[int],
) -> dict[str, Any]:
    """Return the signed certificate of an erased tenant. It names the tenant by id and digest."""
    content = {
        "format": FORMAT,
        "subject": "tenant",
        "tenant_id": str(tenant.id),
        "slug_sha256": digest_of_slug(tenant.slug).hex(),
        "tenant_created_at": tenant.created_at.isoformat(),
        "ordered_at": erasure.ordered_at.isoformat(),
        "ordered_by": erasure.ordered_by,
        "reason": erasure.reason,
        "erased_at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "destroyed_data_key_versions": list(destroyed_keys),
        "stores": list(stores),
        "notes": [*_notes(), *notes_on_backups(tenant)],
    }
    return sign(content)


def sign(content: dict[str, Any]) -> dict[str, Any]:
    """Return a signed certificate."""
    return signing.sign(content, current_keys().in_use, Purpose.ERASURE_SIGNATURES, _NAME)


def check(signed: bytes) -> dict[str, Any]:
    """Return the content of a signed certificate, or raise `ForgedCertificateError`."""
    return signing.verify(
        signed, current_keys().accepted, Purpose.ERASURE_SIGNATURES, _NAME, ForgedCertificateError
    )


def describe(content: Mapping[str, Any]) -> str:
    """Return a certificate as text for people."""
    head = [
        f"Certificate of erasure ({content['format']})",
        "",
        f"Subject        {content['subject']} {content.get('patient', content['tenant_id'])}",
        f"Slug           SHA-256 {content['slug_sha256']}" if "slug_sha256" in content else "",
        f"Ordered        {content['ordered_at']} by {content['ordered_by']}",
        f"Reason         {content['reason'] or 'none given'}",
        f"Erased         {content['erased_at']}",
    ]
    if versions := content.get("destroyed_data_key_versions"):
        head.append(f"Data keys      destroyed: version {', '.join(map(str, versions))}")
    lines = [f"  {_line(each)}" for each in content["stores"]]
    searched = ["", "Searched, with counts before and after:", *lines]
    return "\n".join([*filter(None, head), *searched, *_paragraphs(content.get("notes", ()))])


def _notes() -> list[str]:
    settings = current_settings()
    return [
        (
            "Running processes keep what they had cached of the tenant in memory: placements for"
            f" at most {settings.placement_max_age_seconds:g} seconds, and data keys for at most"
            f" {settings.data_key_max_age_seconds:g} seconds."
        ),
    ]


def _paragraphs(notes: Sequence[str]) -> list[str]:
    return ["", *notes] if notes else []


def _line(store: Mapping[str, Any]) -> str:
    before = "" if store["before"] is None else f"{store['before']} → "
    line = f"{store['store']}: {before}{store['after']} {store['unit']}"
    return f"{line}. {store['remains']}" if "remains" in store else line
