"""Look for a tenant's data in the caches of this process, as another tenant."""

from collections.abc import Iterator
from contextlib import contextmanager

from trially.auth.members.identities import Identity, find_identity
from trially.auth.roles import PhiLevel, Role
from trially.proving.attempts import Attempt, Party, Target
from trially.state import app_state
from trially.tenancy.context import current_tenant, tenant_context
from trially.tenancy.directory import directory

MEMBERS, DIRECTORY = "cached members", "cached placements"
_ISSUER = "https://canary.invalid"
_REMEDY = "Make the tenant's id part of every cache key, and restart the workers."


def look_in_caches(target: Target, attacker: Party) -> Iterator[Attempt]:
    """Cache data of the target, and look it up as the attacker."""
    cached = directory()
    for reference in (target.slug, str(target.tenant.id)):
        cached.find(reference)
    with tenant_context(str(attacker.tenant.id)):
        if current_tenant().tenant_id == cached.find(attacker.slug).tenant_id:
            yield target.held(DIRECTORY, attacker, "each key is a name of one tenant")
        else:
            what = "a slug returned another tenant's entry"
            yield target.breached(DIRECTORY, attacker, what, _REMEDY)
        with _cached_member(target):
            member = find_identity(attacker.placement, _ISSUER, target.word)
        if member is None:
            yield target.held(MEMBERS, attacker, "keys contain the tenant's id and epoch")
        else:
            what = "a member of another tenant was returned"
            yield target.breached(MEMBERS, attacker, what, _REMEDY)


@contextmanager
def _cached_member(target: Target) -> Iterator[None]:
    """Cache a fictitious member of the target, and remove it at the end of the block."""
    members = app_state().identities
    canary = Identity(
        member_id=target.canary_id,
        tenant_id=target.tenant.id,
        issuer=_ISSUER,
        subject=target.word,
        display_name=None,
        role=Role.AUDITOR,
        phi_level=PhiLevel.NONE,
        site_ids=frozenset(),
    )
    members.put((target.tenant.id, target.placement.epoch, _ISSUER, target.word), canary)
    try:
        yield
    finally:
        members.forget(lambda identity: identity.subject == target.word)
