"""Collect what a dossier says, at one moment."""

import datetime as dt
from collections.abc import Callable
from typing import Any

from trially.audit.forms import Action
from trially.audit.printing import describe_verdict, verdict_as_dict
from trially.audit.tenant_log import tenant_log
from trially.audit.verification import verify_log, witnessed_hashes
from trially.audit.witnesses import configured_witnesses
from trially.audit.working import showing_patients
from trially.dossier.accesses import count_accesses
from trially.dossier.attacks import attack
from trially.dossier.placement import describe_placement
from trially.dossier.safekeeping import (
    describe_backups,
    describe_erasability,
    describe_keys,
)
from trially.state import app_state
from trially.tenancy.context import administered_tenant
from trially.tenancy.encrypting.states import describe_fields
from trially.tenancy.lifecycle.listing import get_tenant

FORMAT = "trially-dossier/1"


def collect(
    slug: str,
    since: dt.datetime,
    attackers: int,
    time_limit_seconds: float,
    report: Callable[[str, int, int], None],
) -> dict[str, Any]:
    """Return the content of a tenant's dossier. It names no other tenant.

    `since` is the time from which accesses are counted. `report` is called with the section that
    is being made, and with how many of its steps are done.
    """
    tenant = get_tenant(slug)
    content: dict[str, Any] = {
        "format": FORMAT,
        "made_at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "since": since.isoformat(timespec="seconds"),
        "version": app_state().version,
        "tenant": {
            "id": str(tenant.id),
            "slug": tenant.slug,
            "name": tenant.name,
            "kind": tenant.kind,
            "status": tenant.status,
        },
        "placement": describe_placement(tenant),
        "attacks": attack(
            slug,
            attackers,
            time_limit_seconds,
            lambda done, steps: report("attacks", done, steps),
        ),
        "backups": describe_backups(tenant),
        "fields": describe_fields(tenant),
        "data_keys": describe_keys(tenant),
        "erasure": describe_erasability(tenant),
    }
    return content | _read_log(slug, since)


def _read_log(slug: str, since: dt.datetime) -> dict[str, Any]:
    """Count the accesses, and verify the audit log. The reading is recorded in it."""
    with administered_tenant(slug):
        with showing_patients(Action.EXPORT) as work:
            work.show([])
            accesses = count_accesses(since)
        found = verify_log(witnessed_hashes(configured_witnesses(), tenant_log()))
    sentences = describe_verdict(slug, found)
    return {"accesses": accesses, "audit": verdict_as_dict(slug, found, sentences)}
