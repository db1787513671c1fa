"""Expand what criteria and value sets name: codes, descendants, prefixes, ingredients, value sets.

An expansion needs the loaded terminologies for descendants in SNOMED CT and for the products of
ingredients. Without them it has only the named codes, and its gaps say what is missing. Codes below
an ICD or ATC code are those that begin with it, so they need no terminology.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from trially.errors import OperatorError
from trially.recruiting.criteria.code_sets import CodeRange
from trially.recruiting.criteria.language.codes import Codes, Coding
from trially.recruiting.valuesets.composing import Composition
from trially.recruiting.valuesets.expansions import EMPTY, Expansion, codes_from
from trially.terminologies.store import is_loaded, opened
from trially.terminologies.systems import (
    BY_URL,
    ICD9CM,
    ICD10,
    ICD10CM,
    SYSTEMS,
    System,
)
from trially.terminologies.terminology import Terminology

MOST_CODES = 50_000
"""Single codes of an expansion. A range counts as one code, whatever it holds."""

_ATC = "http://www.whocc.no/atc"
CODES_BELOW_BEGIN_ALIKE = frozenset({ICD10CM, ICD10, ICD9CM, _ATC})
"""Systems in which all codes below a code begin with it."""

_POINTED = frozenset({ICD10CM, ICD10, ICD9CM})
"""Systems whose codes have a point, which some hospitals leave out."""


class ExpansionTooLargeError(OperatorError):
    """What is named comes down to too many codes."""


class UnknownValueSetError(OperatorError):
    """No value set has the key."""

    def __init__(self, key: str) -> None:
        super().__init__(f"There is no value set '{key}'. `GET /valuesets` lists them.")
        self.key = key


@dataclass(frozen=True)
class Outcome:
    """What an expansion came to, and what it was made of."""

    expansion: Expansion = EMPTY
    gaps: tuple[str, ...] = ()
    """Sentences that say which codes the expansion may lack, and why."""
    terminologies: Mapping[str, str | None] = field(default_factory=dict)
    """The identity of each terminology that was needed, by short name; None if it is not loaded."""

    @property
    def digest(self) -> str:
        """The digest of the codes: it changes whenever the expansion does, and only then."""
        return self.expansion.digest

    def __or__(self, other: "Outcome") -> "Outcome":
        """Return the union of both."""
        return self._with(other, self.expansion | other.expansion)

    def __sub__(self, other: "Outcome") -> "Outcome":
        """Return this without the codes of the other."""
        return self._with(other, self.expansion - other.expansion)

    def _with(self, other: "Outcome", expansion: Expansion) -> "Outcome":
        gaps = dict.fromkeys((*self.gaps, *other.gaps))
        return Outcome(expansion, tuple(gaps), {**self.terminologies, **other.terminologies})


FindValueSet = Callable[[str, "Expander"], Outcome | None]
"""Returns the expansion of the value set with a key, or None if there is none."""


class Expander:
    """Expands codes, as many as one likes, with the terminologies as they are when it is entered.

    It remembers the value sets that it has found. Use it in one transaction, and by one thread.
    """

    def __init__(self, find_value_set: FindValueSet) -> None:
        self._find_value_set = find_value_set
        self._known: dict[str, Outcome] = {}
        self._open: dict[str, Terminology | None] = {}
        self._exits = ExitStack()

    def __enter__(self) -> Self:
        """Begin. Terminologies are opened when they are needed."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the terminologies."""
        self._exits.close()

    def expand(self, codes: Codes) -> Outcome:
        """Expand what a leaf of criteria names.

        Raises `UnknownValueSetError` or `ExpansionTooLargeError`.
        """
        return _bounded(_union(self._parts_of(codes)))

    def compose(self, composition: Composition) -> Outcome:
        """Expand the composition of a value set. Raises as `expand` does."""
        included = _union(self.expand(each) for each in composition.include)
        return _bounded(included - _union(self.expand(each) for each in composition.exclude))

    def value_set(self, key: str) -> Outcome:
        """Return the expansion of a value set. Raises `UnknownValueSetError`."""
        if key not in self._known:
            found = self._find_value_set(key, self)
            if found is None:
                raise UnknownValueSetError(key)
            self._known[key] = found
        return self._known[key]

    def forget(self, key: str) -> None:
        """Look a value set up again, because its expansion has changed."""
        self._known.pop(key, None)

    def terminology(self, system: System) -> Terminology | None:
        """Return an opened terminology, or None if the system is not loaded."""
        if system.name not in self._open:
            is_there = is_loaded(system)
            self._open[system.name] = (
                self._exits.enter_context(opened(system)) if is_there else None
            )
        return self._open[system.name]

    def _parts_of(self, codes: Codes) -> Iterator[Outcome]:
        yield from (self.value_set(key) for key in codes.valueset)
        if codes.codes:
            yield self._named(codes.codes, with_descendants=codes.descendants)
        for prefix in codes.icd10_prefix:
            yield Outcome(Expansion.of(ranges=[*_ranges(ICD10CM, prefix), *_ranges(ICD10, prefix)]))
        if codes.ingredient:
            yield self._below(SYSTEMS["rxnorm"], codes.ingredient, "products of")

    def _named(self, codings: Sequence[Coding], *, with_descendants: bool) -> Outcome:
        if not with_descendants:
            return Outcome(_single(codings))
        ranges = [
            each
            for system, code in codings
            if system in CODES_BELOW_BEGIN_ALIKE
            for each in _ranges(system, code)
        ]
        outcome = Outcome(Expansion.of(ranges=ranges))
        others: dict[str, list[str]] = {}
        for system, code in codings:
            if system not in CODES_BELOW_BEGIN_ALIKE:
                others.setdefault(system, []).append(code)
        for url, listed in others.items():
            outcome |= Outcome(_single(Coding(url, code) for code in listed))
            if url in BY_URL:
                outcome |= self._below(BY_URL[url], listed, "codes below")
        return outcome

    def _below(self, system: System, codes: Sequence[str], what: str) -> Outcome:
        """Return codes with all that is below them in their system, and their NDC codes."""
        named = Outcome(_single(Coding(system.url, code) for code in codes))
        terminology = self.terminology(system)
        if terminology is None:
            gap = f"{system.title} is not loaded, so {what} {_listed(codes)} are missing."
            return named | Outcome(gaps=(gap,), terminologies={system.name: None})
        known = terminology.displays(codes)
        absent = [code for code in codes if code not in known]
        gaps = (
            (f"{system.title} {terminology.info.version} does not have {_listed(absent)}.",)
            if absent
            else ()
        )
        below = terminology.below(codes, MOST_CODES)
        return named | Outcome(
            Expansion.of([*((system.url, code) for code in below), *terminology.mapped(below)]),
            gaps,
            {system.name: terminology.info.identity},
        )


def _union(outcomes: Iterable[Outcome]) -> Outcome:
    """Return the union of outcomes, which is normalised only once."""
    listed = list(outcomes)
    if len(listed) == 1:
        return listed[0]
    terminologies: dict[str, Any] = {}
    for each in listed:
        terminologies |= each.terminologies
    return Outcome(
        Expansion.of(
            (coding for each in listed for coding in each.expansion.codes),
            (part for each in listed for part in each.expansion.ranges),
        ),
        tuple(dict.fromkeys(gap for each in listed for gap in each.gaps)),
        terminologies,
    )


def _bounded(outcome: Outcome) -> Outcome:
    if len(outcome.expansion.codes) + len(outcome.expansion.ranges) > MOST_CODES:
        raise ExpansionTooLargeError(
            f"This comes down to more than {MOST_CODES} codes. Name codes that are further below in"
            " the hierarchy."
        )
    return outcome


def _single(codings: Iterable[Coding]) -> Expansion:
    """Return the expansion of codes, those of ICD with and without their point."""
    codes: set[tuple[str, str]] = set()
    for system, code in codings:
        codes.add((system, code))
        if system in _POINTED:
            codes.add((system, code.replace(".", "")))
    return Expansion.of(codes)


def _ranges(system: str, prefix: str) -> list[CodeRange]:
    """Return the ranges of the codes that begin with a prefix, with and without its point."""
    spellings = {prefix, prefix.replace(".", "")} if system in _POINTED else {prefix}
    return [codes_from(system, spelling) for spelling in sorted(spellings)]


def _listed(codes: Sequence[str]) -> str:
    return ", ".join(codes[:5]) + (f" and {len(codes) - 5} more" if len(codes) > 5 else "")
