"""Look for a tenant's canary in what this process remembers, as another tenant."""

from collections.abc import Iterator
from contextlib import contextmanager

from trially.auth.members.identities import Identity, find_identity
from trially.auth.permissions import PhiLevel, Role
from trially.proving.attempts import Attempt, Party, Target
from trially.state import app_state
from trially.tenancy.context import current_tenant, tenant_context
from trially.tenancy.directory import directory

MEMBERS, DIRECTORY = "memory of members", "memory of placements"
_ISSUER = "https://canary.invalid"
_REMEDY = "Hold the keys of what a process remembers to the tenant's id; restart the workers."


def look_in_memories(target: Target, attacker: Party) -> Iterator[Attempt]:
    """Remember something of a tenant, and ask for it as another."""
    known = directory()
    for reference in (target.slug, str(target.tenant.id)):
        known.find(reference)
    with tenant_context(str(attacker.tenant.id)):
        if current_tenant().tenant_id == known.find(attacker.slug).tenant_id:
            yield target.held(DIRECTORY, attacker, "keys are names of one tenant")
        else:
            yield target.reached(DIRECTORY, attacker, "a name led to another tenant", _REMEDY)
        with _member_remembered(target):
            found = find_identity(attacker.placement, _ISSUER, target.word)
        if found is None:
            yield target.held(MEMBERS, attacker, "keys carry the tenant's id and epoch")
        else:
            yield target.reached(MEMBERS, attacker, "a member was another tenant's", _REMEDY)


@contextmanager
def _member_remembered(target: Target) -> Iterator[None]:
    """Remember a member of a tenant who does not exist, and forget them afterwards."""
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
