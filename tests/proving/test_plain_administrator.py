"""Sweeps work with an administrator that is no superuser, as on a managed server."""

from plain_fleets import plain_fleet
from sweep_helpers import sweep_of

__all__ = ["plain_fleet"]


def test_a_sweep_needs_no_superuser(plain_fleet):
    _, states, attempts = sweep_of(plain_fleet)

    assert attempts == []
    assert set(states.values()) == {"held"}

    alter = f"SET ROLE {plain_fleet.catalog}_owner; ALTER TABLE tenant.patient"
    plain_fleet.administer(f"{alter} NO FORCE ROW LEVEL SECURITY; RESET ROLE", of="pooled-one")
    _, states, _ = sweep_of(plain_fleet)

    broken = {slug for slug, state in states.items() if state == "broken"}
    assert broken == {"pooled-one", "pooled-two"}
