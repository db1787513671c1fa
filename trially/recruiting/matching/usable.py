"""SQL of the facts that criteria may use: the same rule as `Fact.is_used`, for whole tables.

The two covering indexes have these conditions. PostgreSQL uses them only for queries that repeat
the conditions, so they are written once, here; a migration has its own copy.
"""

from collections.abc import Iterable

from trially.recruiting.criteria.facts import IN_ERROR, NOT_HAPPENED, REFUTED, SUGGESTED, VISITED

OBSERVATION = "observation"


def _words(words: Iterable[str]) -> str:
    """Return an array as PostgreSQL prints it, so that an index is the same after a restore."""
    return "ARRAY[{}]".format(", ".join(f"'{word}'::text" for word in sorted(words)))


_ANY = (
    "NOT entered_in_error AND withdrawn_at IS NULL AND date_problem IS NULL AND NOT negated"
    " AND focus IS NULL"
)
_HAPPENED = f"(status IS NULL OR status::text <> ALL ({_words(NOT_HAPPENED)}))"

_CERTAIN = (
    f"(verification_status IS NULL OR verification_status <> '{IN_ERROR}')"
    f" AND (intent IS NULL OR intent::text <> ALL ({_words(SUGGESTED)}))"
)
_VISITED = f"status::text = ANY ({_words(VISITED)})"

MEASURED = f"type = '{OBSERVATION}' AND {_ANY} AND {_HAPPENED}"
"""Observations: the condition of `ix_clinical_fact_measured`."""

CODED = f"type <> '{OBSERVATION}' AND {_ANY}"
"""All other facts: the condition of `ix_clinical_fact_coded`."""

USED = f"{_ANY} AND {_CERTAIN} AND CASE type WHEN 'encounter' THEN {_VISITED} ELSE {_HAPPENED} END"
"""Facts of any type."""

NOT_REFUTED = f"(verification_status IS NULL OR verification_status <> '{REFUTED}')"
"""Facts that say something of a patient. Those that are refuted only contradict others."""


def used_of(kind: str) -> str:
    """Return the condition of the facts of one type that are used, as its index needs it."""
    if kind == OBSERVATION:
        return f"{MEASURED} AND {_CERTAIN}"
    happened = _VISITED if kind == "encounter" else _HAPPENED
    return f"{CODED} AND type = '{kind}' AND {_CERTAIN} AND {happened}"
