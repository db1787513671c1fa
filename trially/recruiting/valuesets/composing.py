"""How a value set is composed: what it includes, less what it excludes."""

from collections.abc import Iterator
from dataclasses import dataclass

from trially.recruiting.criteria.language.codes import CODES, Codes
from trially.recruiting.criteria.language.objects import Object, Part, key
from trially.recruiting.criteria.language.shapes import Json, Many

MOST_PARTS = 50


@dataclass(frozen=True, kw_only=True)
class Composition(Part):
    """Which codes a value set has, in the words in which criteria name codes."""

    include: tuple[Codes, ...] = key(
        Many(CODES, most=MOST_PARTS), "Codes of the set: the union of all parts."
    )
    exclude: tuple[Codes, ...] = key(
        Many(CODES, least=0, most=MOST_PARTS), "Codes that are not in it, even if included.", ()
    )

    def names(self) -> Iterator[tuple[str, str]]:
        """Yield the pointer and the key of each value set that this one names."""
        for member, parts in (("include", self.include), ("exclude", self.exclude)):
            for number, part in enumerate(parts):
                for place, name in enumerate(part.valueset):
                    yield f"/{member}/{number}/valueset/{place}", name


COMPOSITION = Object(Composition)


def parse_composition(value: Json, pointer: str = "") -> Composition:
    """Return a composition from JSON values. Raises `CriteriaError` with all problems."""
    return COMPOSITION.parse(value, pointer)


def dump_composition(composition: Composition) -> Json:
    """Return a composition as JSON values: equal compositions are equal documents."""
    return COMPOSITION.dump(composition)
