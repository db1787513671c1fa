"""Show expansions and starter sets as the API does."""

from collections.abc import Iterable
from typing import Any

from trially.recruiting.valuesets.composing import dump_composition
from trially.recruiting.valuesets.expanding import Expander, Outcome
from trially.recruiting.valuesets.starter_sets import StarterSet
from trially.terminologies.systems import BY_URL

CODES_SHOWN = 200
"""Single codes that are shown of an expansion unless the caller asks for more."""


def show_outcome(outcome: Outcome, library: Expander, *, limit: int, offset: int) -> dict[str, Any]:
    """Return an expansion with so many of its single codes, and their names."""
    expansion = outcome.expansion
    codings = sorted(expansion.codes)[offset : offset + limit]
    names = _names_of(codings, library)
    return {
        **_summary(outcome),
        "codes": [
            {"system": system, "code": code, "display": names.get((system, code))}
            for system, code in codings
        ],
        "ranges": [each._asdict() for each in expansion.ranges],
    }


def show_starter(starter: StarterSet, library: Expander) -> dict[str, Any]:
    """Return a starter set with the summary of its expansion."""
    return {
        "id": starter.id,
        "key": starter.key,
        "name": starter.name,
        "description": starter.description,
        "sources": list(starter.sources),
        "compose": dump_composition(starter.composition),
        "number": starter.number,
        **_summary(library.value_set(starter.key)),
    }


def _summary(outcome: Outcome) -> dict[str, Any]:
    return {
        "digest": outcome.digest,
        "code_count": len(outcome.expansion.codes),
        "range_count": len(outcome.expansion.ranges),
        "gaps": list(outcome.gaps),
        "terminologies": dict(outcome.terminologies),
    }


def _names_of(codings: Iterable[tuple[str, str]], library: Expander) -> dict[tuple[str, str], str]:
    by_system: dict[str, list[str]] = {}
    for system, code in codings:
        by_system.setdefault(system, []).append(code)
    return {
        (url, code): display
        for url, codes in by_system.items()
        if url in BY_URL and (terminology := library.terminology(BY_URL[url]))
        for code, display in terminology.displays(codes).items()
    }
