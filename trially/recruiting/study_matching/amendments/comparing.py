"""Compare the verdicts of two versions of a study's protocol, for all patients at once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np

from trially.database.rows import Item
from trially.recruiting.criteria.evaluation.verdicts import Verdict
from trially.recruiting.matching.bits import unpack
from trially.recruiting.matching.setwise import SetWise
from trially.recruiting.study_matching.counting import own_patients
from trially.recruiting.study_matching.results import StudyResults
from trially.recruiting.study_matching.running import evaluate
from trially.recruiting.study_matching.shown_numbers import shown_numbers
from trially.recruiting.study_matching.studies import MatchedStudy


@dataclass(frozen=True)
class Amendment:
    """The patients whom the caller may see, by their verdicts before and after."""

    former: dict[Verdict, int]
    latter: dict[Verdict, int]
    patients: int

    @cached_property
    def changes(self) -> dict[tuple[Verdict, Verdict], int]:
        """The patients whose verdict changes, by the former and the latter verdict."""
        return {
            (before, after): self.former[before] & self.latter[after]
            for before, after in product(Verdict, Verdict)
            if before != after
        }

    def counts(self) -> Item:
        """Return the numbers of patients, as the caller may see them."""
        numbers = {change: members.bit_count() for change, members in self.changes.items()}
        changed = sum(numbers.values())
        return shown_numbers(
            {
                "patients": self.patients.bit_count(),
                "unchanged": self.patients.bit_count() - changed,
                "changed": changed,
                "changes": [
                    {"former": before.value, "latter": after.value, "patients": number}
                    for (before, after), number in numbers.items()
                ],
            }
        )

    def select(self, former: Verdict | None, latter: Verdict | None) -> "Changed":
        """Return the patients with a change from or to a verdict; None stands for any."""
        return Changed(
            {
                (before, after): members
                for (before, after), members in self.changes.items()
                if former in (None, before) and latter in (None, after)
            }
        )


@dataclass(frozen=True)
class Changed:
    """Patients whose verdict changes."""

    changes: dict[tuple[Verdict, Verdict], int]

    @cached_property
    def patients(self) -> int:
        """All of them, as a set."""
        found = 0
        for members in self.changes.values():
            found |= members
        return found

    def after(self, ordinal: int, most: int) -> Sequence[int]:
        """Return the next patients after an ordinal, by their ordinals."""
        size = self.patients.bit_length()
        ordinals = np.flatnonzero(unpack(self.patients, size))
        return [int(each) for each in ordinals[ordinals > ordinal][:most]]

    def verdicts(self, ordinal: int) -> tuple[Verdict, Verdict]:
        """Return the former and the latter verdict of one of them."""
        return next(change for change, members in self.changes.items() if members >> ordinal & 1)


def compare(former: MatchedStudy, latter: MatchedStudy, sets: SetWise) -> Amendment:
    """Return whose verdict differs between two versions. Raises `UnknownCodesError`.

    A patient whom one version leaves out, as the dead, is ineligible there.
    """
    results = [evaluate(each, sets) for each in (former, latter)]
    patients = results[0].universe | results[1].universe
    own = own_patients()
    if own is not None:
        patients &= own
    before, after = (dict(_by_verdict(each, patients)) for each in results)
    return Amendment(before, after, patients)


def _by_verdict(results: StudyResults, patients: int) -> Iterator[tuple[Verdict, int]]:
    verdicts = results.verdicts()
    yield Verdict.ELIGIBLE, verdicts.eligible & patients
    yield Verdict.POTENTIAL, verdicts.potential & patients
    yield Verdict.INELIGIBLE, patients & ~(verdicts.eligible | verdicts.potential)
