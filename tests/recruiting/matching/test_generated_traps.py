"""The clinics of the three evaluators have every trap of `traps`, not only in principle."""

from tests.recruiting.matching.generated_clinics import Clinic, examine_clinics
from tests.recruiting.matching.traps import TRAPS

MOST_ROUNDS = 30
"""Three rounds of ten pairs are enough in most cases."""


def test_every_trap_is_generated() -> None:
    missing = set(TRAPS)

    def look(clinic: Clinic, other: Clinic) -> None:
        missing.difference_update(
            [name for name in missing if TRAPS[name](clinic) or TRAPS[name](other)]
        )

    for number in range(MOST_ROUNDS):
        examine_clinics(number, look)
        if not missing:
            break

    assert missing == set()
