"""Patients with plausible names: few names are frequent, and many are rare."""

import datetime as dt
import random
from collections.abc import Iterator
from itertools import product
from typing import Any

from nicknames import NickNamer
from uuid_utils.compat import uuid7

GIVEN = ["Elizabeth", "María", "José", "Siobhán", "Zoë", "Łukasz", "Jörg", "Renée", "Betty"]
GIVEN += sorted({name.title() for name in NickNamer().nickname_lookup} - set(GIVEN))
"""Some 1,000 given names."""

_STARTS = [
    "Mar",
    "Gar",
    "Smi",
    "Nguy",
    "Mül",
    "O'Con",
    "Ber",
    "San",
    "Kow",
    "Har",
    "Lin",
    "Fer",
    "Joh",
    "Wal",
    "Pet",
    "And",
    "Rod",
    "Hof",
    "Ste",
    "Muñ",
]
_MIDDLES = ["", "a", "ti", "es", "o", "der", "in", "ma", "lu", "ve", "ke", "ro"]
_ENDS = [
    "son",
    "nez",
    "ski",
    "berg",
    "mann",
    "ez",
    "o",
    "ini",
    "dóttir",
    "er",
    "ton",
    "well",
    "ley",
    "field",
]
FAMILY = [
    "Smith",
    "García",
    "Nguyễn",
    "Müller",
    "O'Connor",
    *sorted(map("".join, product(_STARTS, _MIDDLES, _ENDS, _MIDDLES[:6]))),
]
"""Some 20,000 family names."""


def make_patients(number: int, seed: int = 1) -> Iterator[dict[str, Any]]:
    """Yield patients; the same seed gives the same ones."""
    chance = random.Random(seed)
    for count in range(number):
        yield {
            "id": uuid7(),
            "source_id": str(count),
            "mrn": f"MRN-{count:08d}",
            "given_name": f"{_choose(chance, GIVEN)} {_choose(chance, GIVEN)}",
            "family_name": _choose(chance, FAMILY),
            "birth_date": dt.date(1930, 1, 1) + dt.timedelta(days=chance.randrange(28_000)),
            "sex": chance.choice(("female", "male")),
            "phone": f"+1 402 {chance.randrange(10**7):07d}",
            "email": f"patient{count}@example.org",
        }


def _choose(chance: random.Random, names: list[str]) -> str:
    """Return a name. The first hundredth of the list is chosen for every tenth patient."""
    return names[int(len(names) * chance.random() ** 2)]
