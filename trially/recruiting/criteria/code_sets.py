"""Sets of codes: what the codes that a leaf names stand for."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from trially.recruiting.criteria.language.codes import ICD10, ICD10CM, RXNORM, Codes, Coding


class CodeRange(NamedTuple):
    """The codes of a system from `low` on, and before `high`, in the order of their bytes."""

    system: str
    low: str
    high: str

    def has(self, system: str | None, code: str) -> bool:
        """Return whether a code of a system is in the range."""
        return system == self.system and self.low <= code < self.high


@dataclass(frozen=True, slots=True)
class CodeSet:
    """Codes, beginnings of ICD-10 codes, and ranges. One `version` stands for the same codes."""

    codes: frozenset[Coding] = frozenset()
    prefixes: frozenset[str] = frozenset()
    """Beginnings of codes of ICD-10 and ICD-10-CM, as they are written there: `E11.2`."""
    version: str = ""
    title: str | None = field(default=None, compare=False)
    """What the set is called in a sentence."""

    ranges: frozenset[CodeRange] = frozenset()
    """Ranges of value sets, which know whether codes lack their point."""

    def has(self, system: str | None, code: str) -> bool:
        """Return whether a code of a system is in the set."""
        if (system, code) in self.codes or any(each.has(system, code) for each in self.ranges):
            return True
        if not self.prefixes or system not in (ICD10CM, ICD10):
            return False
        return any(code.startswith(prefix) for prefix in self.written_prefixes)

    @property
    def written_prefixes(self) -> tuple[str, ...]:
        """The prefixes with and without the point: claims often leave it out."""
        plain = [each.replace(".", "") for each in self.prefixes if "." in each]
        return (*self.prefixes, *plain)

    def __or__(self, other: "CodeSet") -> "CodeSet":
        """Return the union."""
        versions = sorted({*self.version.split(), *other.version.split()})
        titles = [each for each in (self.title, other.title) if each]
        return CodeSet(
            self.codes | other.codes,
            self.prefixes | other.prefixes,
            " ".join(versions),
            " or ".join(titles) or None,
            self.ranges | other.ranges,
        )


class Terminology(Protocol):
    """What criteria need to know of codes. The tenant's value sets and tables implement it."""

    def value_set(self, name: str) -> CodeSet | None:
        """Return a value set that the tenant sees. Its `version` changes with its codes."""

    def below(self, coding: Coding) -> CodeSet | None:
        """Return all codes below a code in its system, or None if the hierarchy is unknown."""

    def products(self, ingredient: str) -> CodeSet | None:
        """Return the RxNorm codes of products with an ingredient, or None if it is unknown."""

    def name_of(self, coding: Coding) -> str | None:
        """Return the name of a code."""


class NoTerminology:
    """A terminology without value sets, hierarchies and names."""

    def value_set(self, name: str) -> CodeSet | None:  # noqa: ARG002
        """Return None: there are no value sets."""
        return None

    def below(self, coding: Coding) -> CodeSet | None:  # noqa: ARG002
        """Return None: hierarchies are unknown."""
        return None

    def products(self, ingredient: str) -> CodeSet | None:  # noqa: ARG002
        """Return None: ingredients are unknown."""
        return None

    def name_of(self, coding: Coding) -> str | None:  # noqa: ARG002
        """Return None: names are unknown."""
        return None


class UnknownCodesError(Exception):
    """Codes of a leaf cannot be looked up. `problems` has relative pointers and sentences."""

    def __init__(self, problems: Iterable[tuple[str, str]]) -> None:
        self.problems = list(problems)
        super().__init__(" ".join(detail for _, detail in self.problems))


def look_up(codes: Codes, terminology: Terminology) -> CodeSet:
    """Return the set of the codes that a leaf names. Raises `UnknownCodesError`."""
    problems: list[tuple[str, str]] = []
    found = CodeSet(frozenset(codes.codes), frozenset(codes.icd10_prefix))
    for number, name in enumerate(codes.valueset):
        value_set = terminology.value_set(name)
        if value_set is None:
            problems.append((f"/valueset/{number}", f"There is no value set '{name}'."))
        else:
            found |= value_set
    for number, coding in enumerate(codes.codes if codes.descendants else ()):
        below = terminology.below(coding)
        if below is None:
            detail = f"The codes below '{coding}' are not known. Use a value set instead."
            problems.append((f"/codes/{number}", detail))
        else:
            found |= below
    for number, ingredient in enumerate(codes.ingredient):
        found |= CodeSet(frozenset({Coding(RXNORM, ingredient)}))
        products = terminology.products(ingredient)
        if products is None:
            detail = f"The products with the ingredient '{ingredient}' are not known."
            problems.append((f"/ingredient/{number}", detail))
        else:
            found |= products
    if problems:
        raise UnknownCodesError(problems)
    return found
