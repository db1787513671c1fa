"""Copy a tenant's counts to the catalog, if its owner has consented.

It runs as the tenant, in a job or a command. The consent is read from the tenant's own database and
locked until the catalog has committed. So a withdrawal comes before, and nothing is copied, or
after, and deletes what was copied.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from uuid import UUID

from trially.analytics.counting import Counted, count, many_have_changed
from trially.analytics.sharing.consents import delete_consent, has_consents, lock_consents
from trially.analytics.storing import (
    confirm,
    delete_counts,
    last_counted,
    lock_stays,
    store,
)
from trially.database.deadline import start_deadline
from trially.database.placement import current_placement
from trially.database.session import transaction
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.organisations.model import About

EVERY = dt.timedelta(days=7)
"""How long after a count the next one is made."""

MOST_MILLISECONDS = 120_000
"""How long the statements of one tenant's count may take together."""

_LONG_AGO = dt.datetime.fromtimestamp(0, dt.UTC)
"""When a tenant is due that was never counted."""


def share_counts() -> Sequence[Counted]:
    """Count the current tenant if that is due, copy the counts, and return those that are new.

    Without a consent nothing is counted, and what the catalog holds is deleted.
    """
    start_deadline(MOST_MILLISECONDS)
    with transaction():
        counted = tuple(_count_due()) if has_consents() else ()
    with transaction():
        return counted if publish(counted) else ()


def publish(counted: Sequence[Counted]) -> bool:
    """Copy counts to the catalog, and return whether the tenant is in an organisation.

    Consents whose invitation does not exist any more are deleted.
    """
    tenant_id = current_placement().tenant_id
    consents = lock_consents()
    with catalog_transaction() as session:
        stays = lock_stays(session, tenant_id)
        invitations = {stay.invitation_id for stay in stays}
        has_joined = confirm(stays, consents)
        if has_joined:
            store(session, tenant_id, counted)
        else:
            delete_counts(session, tenant_id)
    for consent_id in consents - invitations:
        delete_consent(consent_id)
    return has_joined


def next_share_at() -> dt.datetime | None:
    """Return when the current tenant is to be counted next, which may be past. None: not at all."""
    if not has_consents():
        return None
    return _due_at(current_placement().tenant_id)


def _count_due() -> Iterator[Counted]:
    tenant_id = current_placement().tenant_id
    if _due_at(tenant_id) > dt.datetime.now(dt.UTC):
        return
    last = last_counted(tenant_id).get(About.PATIENTS)
    if last is None or many_have_changed(last):
        yield count(About.PATIENTS)
    yield count(About.WORK)


def _due_at(tenant_id: UUID) -> dt.datetime:
    last = last_counted(tenant_id).get(About.WORK)
    return _LONG_AGO if last is None else last + EVERY
