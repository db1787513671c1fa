"""Two tenants, each full of a canary: a word that no answer to the other may have in it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from examples import EXAMPLES, LISTS, create_all
from fuzzing import SHARED_NAMES
from members import AsMember, MakeFact, MakeTenant, Member
from support_requests import ask_for_support

from trially.auth.roles import Role


@dataclass
class PopulatedTenant:
    """A tenant with two of everything, an administrator of it, and what only they may be told."""

    member: Member
    canary: str
    ids: dict[str, str] = field(default_factory=dict)
    """Ids of what it has, by the names of the routes' arguments."""
    cursors: dict[str, str] = field(default_factory=dict)
    etags: dict[str, str] = field(default_factory=dict)
    """What was first seen of each of `ids`."""

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.member.token}"}

    @property
    def secrets(self) -> Iterator[bytes]:
        tenant = self.member.tenant
        named = (self.canary, tenant.slug, str(tenant.id), self.member.subject)
        ids = (value for name, value in self.ids.items() if name not in SHARED_NAMES)
        # The number of a version is no secret.
        ids = (value for value in ids if not value.isdecimal())
        for secret in (*named, *ids, *self.cursors.values()):
            yield secret.encode()

    def read_etags(self) -> dict[str, str]:
        """Return the ETag of each row in `ids`, or "gone" if it was deleted."""
        return {
            name: self.member.get(f"{EXAMPLES[resource].path}/{row_id}").headers.get("ETag", "gone")
            for name, row_id in self.ids.items()
            if (resource := name.removesuffix("_id")) in EXAMPLES
        }


@pytest.fixture(scope="session")
def make_populated_tenant(
    make_tenant: MakeTenant, as_member: AsMember, make_fact: MakeFact
) -> Callable[[str], PopulatedTenant]:
    def make(canary: str) -> PopulatedTenant:
        tenant = make_tenant(slug=canary.lower(), name=canary)
        as_member(tenant, display_name=canary)
        member = as_member(tenant, role=Role.OWNER, display_name=canary)
        populated = PopulatedTenant(member, canary)
        for _ in range(2):
            populated.ids = create_all(populated.member, canary)
            make_fact(tenant, populated.ids["patient_id"], display=canary, value_text=canary)
            ask_for_support(member.app, tenant, canary)
        for name in (*LISTS, "documents", "audit", "audit/support-grants"):
            populated.cursors[name] = populated.member.get(f"/{name}?limit=1").json["page"]["next"]
        populated.etags = populated.read_etags()
        return populated

    return make


@pytest.fixture(scope="session")
def attacker(make_populated_tenant: Callable[[str], PopulatedTenant]) -> PopulatedTenant:
    return make_populated_tenant("Ourcanary")


@pytest.fixture(scope="session")
def victim(make_populated_tenant: Callable[[str], PopulatedTenant]) -> PopulatedTenant:
    return make_populated_tenant("Theircanary")
