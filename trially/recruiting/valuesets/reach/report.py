"""Report what a value set reaches in the tenant's facts, and which frequent codes it may lack."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trially.recruiting.valuesets.expanding import Expander, Outcome
from trially.recruiting.valuesets.expansions import Expansion
from trially.recruiting.valuesets.reach.counting import Count, Counts, Key, count
from trially.recruiting.valuesets.reach.nearness import (
    Reason,
    categories_of,
    has_form,
    is_in_category,
    likeness,
    may_hide,
    typical_stems,
)
from trially.recruiting.valuesets.reach.occurring import (
    Occurring,
    codes_of_facts,
    describe,
    further_codes,
)
from trially.request_state import request_state
from trially.resources.scope import own_sites
from trially.terminologies.formats.icd10cm import with_point
from trially.terminologies.systems import BY_URL, ICD10CM, SYSTEMS
from trially.value_sets.codes import SNOMED, is_code

MOST_CODES_SHOWN = 50
MOST_MISSED_SHOWN = 20
MOST_CANDIDATES = 200
"""Codes that look near and are counted: the nearest ones."""

MOST_NAMED = 500
"""Codes of a set whose names say what is typical of it."""

FEWEST_PATIENTS_SHOWN = 11
"""Numbers about fewer patients are hidden from members without the PHI level `full`."""


@dataclass(frozen=True)
class _Candidate:
    """A code that looks near to the set."""

    code: Occurring
    reason: Reason
    rank: tuple[int, int]
    """The nearest codes have the lowest rank."""


_RANKS = {reason: number for number, reason in enumerate(Reason)}


def report_reach(
    outcome: Outcome, name: str, names: Collection[str], library: Expander
) -> dict[str, Any]:
    """Return what the expansion of a value set reaches, as the API shows it.

    `name` and `names`, of the set and of its codes, say which words are typical of it.
    """
    expansion = outcome.expansion
    by_type = codes_of_facts()
    keys, others = _divide(by_type, expansion)
    further = [
        Key("", code, systems)
        for code in further_codes()
        if (systems := _systems_of(code, expansion))
    ]
    counts = count(keys, further)
    displays = _Displays(library)
    members = [each for each in counts.codes if each.is_member]
    typical = typical_stems(name, [*names, *displays.of_set(expansion, members)])
    described = [each for kind, codes in others.items() for each in describe(kind, codes)]
    types = {each.type for each in members}
    alike = [each for each in described if not types or each.type in types]
    missed = _missed(described, alike, expansion, typical, library, displays)
    return {
        **_numbers(counts.facts, counts.patients),
        "is_complete": counts.is_complete,
        "codes": [
            shown
            for each in _most_frequent(members)[:MOST_CODES_SHOWN]
            if (shown := _shown(each, displays, {}))
        ],
        "missed": _most_missed(_hidden(counts, keys), missed, displays),
    }


def _divide(
    by_type: Mapping[str, Sequence[str]], expansion: Expansion
) -> tuple[list[Key], dict[str, list[str]]]:
    """Divide the codes that occur into those that the set has in some system, and all others."""
    keys: list[Key] = []
    others: dict[str, list[str]] = {}
    for kind, codes in by_type.items():
        for code in codes:
            systems = _systems_of(code, expansion)
            if systems:
                keys.append(Key(kind, code, systems))
            else:
                others.setdefault(kind, []).append(code)
    return keys, others


def _systems_of(code: str, expansion: Expansion) -> tuple[str, ...]:
    return tuple(each for each in expansion.systems_of(code) if has_form(each, code))


class _Displays:
    """Names of codes, from the loaded terminologies."""

    def __init__(self, library: Expander) -> None:
        self._library = library
        self._known: dict[tuple[str, str], str | None] = {}

    def load(self, codings: Iterable[tuple[str | None, str]]) -> None:
        """Look up many names at once."""
        wanted: dict[str, set[str]] = {}
        for system, code in codings:
            if system is None or system not in BY_URL:
                continue
            if (system, _spelling(system, code)) not in self._known:
                wanted.setdefault(system, set()).add(_spelling(system, code))
        for system, codes in wanted.items():
            terminology = self._library.terminology(BY_URL[system])
            found = terminology.displays(codes) if terminology else {}
            self._known |= {(system, code): found.get(code) for code in codes}

    def find(self, system: str | None, code: str) -> str | None:
        """Return the name of a code that was looked up."""
        return None if system is None else self._known.get((system, _spelling(system, code)))

    def of_set(self, expansion: Expansion, members: Iterable[Count]) -> list[str]:
        """Return names of codes of a set: of those that occur, and of others up to a bound."""
        codings: list[tuple[str | None, str]] = [(each.system, each.code) for each in members]
        codings += sorted(expansion.codes)[:MOST_NAMED]
        codings = [
            *codings,
            *((each.system, each.low) for each in expansion.ranges if each.system == ICD10CM),
        ]
        self.load(codings)
        return [name for coding in dict.fromkeys(codings) if (name := self.find(*coding))]


def _missed(
    described: Sequence[Occurring],
    nameable: Sequence[Occurring],
    expansion: Expansion,
    typical: Collection[str],
    library: Expander,
    displays: _Displays,
) -> list[_Candidate]:
    """Return the codes that look near to the set, nearest first.

    `nameable` are those that may look near by their names alone: they are of a type that the set
    reaches. Else a set of conditions would seem to lack every procedure that screens for them.
    """
    may_be_named = set(nameable)
    displays.load((each.system, each.code) for each in described)
    categories = categories_of(expansion)
    siblings = _siblings(described, expansion, library)
    found = []
    for each in described:
        alike = likeness(displays.find(each.system, each.code) or each.display or "", typical)
        if is_in_category(each.system, each.code, categories):
            reason = Reason.SAME_CATEGORY
        elif each.system == SNOMED and each.code in siblings:
            reason = Reason.SIBLING
        elif alike and each in may_be_named:
            reason = Reason.SIMILAR_NAME
        else:
            continue
        found.append(_Candidate(each, reason, (-alike, _RANKS[reason])))
    return sorted(found, key=lambda each: each.rank)[:MOST_CANDIDATES]


def _siblings(
    described: Sequence[Occurring], expansion: Expansion, library: Expander
) -> Collection[str]:
    terminology = library.terminology(SYSTEMS["sct"])
    if terminology is None:
        return ()
    members = [code for system, code in expansion.codes if system == SNOMED]
    return terminology.siblings(members, [each.code for each in described if each.system == SNOMED])


def _hidden(counts: Counts, keys: Sequence[Key]) -> list[Count]:
    """Return the codes of the set that facts have with a system that may mean the same."""
    systems = {(key.type, key.code): key.systems for key in keys}
    return [
        each
        for each in counts.codes
        if not each.is_member and may_hide(each.system, systems[each.type, each.code])
    ]


def _most_missed(
    of_other_systems: Sequence[Count], candidates: Sequence[_Candidate], displays: _Displays
) -> list[dict[str, Any]]:
    """Return the codes that the set may lack, most frequent first."""
    by_code = {(each.code.type, each.code.code): each for each in candidates}
    counted = count([Key(*key) for key in by_code]).codes
    displays.load((each.system, each.code) for each in of_other_systems)
    found: list[tuple[Count, Mapping[str, Any]]] = [
        (each, {"reason": Reason.SAME_CODE.value, "name": None}) for each in of_other_systems
    ]
    for each in counted:
        candidate = by_code[each.type, each.code]
        found.append((each, {"reason": candidate.reason.value, "name": candidate.code.display}))
    found.sort(key=lambda pair: (-pair[0].patients, -pair[0].facts, pair[0].code))
    shown = (_shown(each, displays, more) for each, more in found)
    return [each for each in shown if each][:MOST_MISSED_SHOWN]


def _most_frequent(counts: Iterable[Count]) -> list[Count]:
    return sorted(counts, key=lambda each: (-each.patients, -each.facts, each.code))


def _shown(counted: Count, displays: _Displays, more: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return a code with its numbers, or None if it must not be shown to the caller.

    A source may write anything into codes and names. So members without the PHI level `full` see
    codes that have the form of their system, with the name that the terminology gives them. The
    name that a source gives may be of a fact of another site, so members of some sites lack it.
    """
    is_full = request_state().shows_identifiers
    if not is_full and not (counted.system and is_code(counted.code, counted.system)):
        return None
    name = displays.find(counted.system, counted.code)
    shown = {
        "type": counted.type,
        "system": counted.system,
        "code": counted.code,
        "display": name or (more.get("name") if is_full and own_sites() is None else None),
        **_numbers(counted.facts, counted.patients),
    }
    return {**shown, "reason": more["reason"]} if "reason" in more else shown


def _numbers(facts: int, patients: int) -> dict[str, int | None]:
    """Return numbers, or null for those about few patients if the caller must not see them."""
    is_hidden = 0 < patients < FEWEST_PATIENTS_SHOWN and not request_state().shows_identifiers
    return (
        {"facts": None, "patients": None} if is_hidden else {"facts": facts, "patients": patients}
    )


def _spelling(system: str, code: str) -> str:
    """Return a code as its terminology spells it: hospitals leave out the point of ICD-10-CM."""
    return with_point(code) if system == ICD10CM and "." not in code else code
