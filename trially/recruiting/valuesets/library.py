"""The value sets that the current tenant may name: its own, and the starter sets.

The matching engine looks up the codes of criteria with it:

    with tenants_terminology() as terminology:
        codes = look_up(leaf.in_, terminology)

A set of codes has single codes and ranges, and a version that changes whenever they do.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import select

from trially.database.rows import of_current_tenant, table_of
from trially.database.session import db
from trially.recruiting.criteria.code_sets import CodeSet
from trially.recruiting.criteria.language.codes import Codes, Coding
from trially.recruiting.drafting.knowledge.conditions import SNOMED_NAMES
from trially.recruiting.valuesets.expanding import (
    CODES_BELOW_BEGIN_ALIKE,
    Expander,
    Outcome,
    UnknownValueSetError,
)
from trially.recruiting.valuesets.expansions import Expansion
from trially.recruiting.valuesets.model import ValueSet, ValueSetExpansion
from trially.recruiting.valuesets.starter_sets import starter_sets
from trially.terminologies.systems import BY_URL, RXNORM
from trially.value_sets.codes import SNOMED


def value_set_library() -> Expander:
    """Return an expander that knows the value sets of the current tenant.

    A tenant's set goes before a starter set with its key, which may have come with a later release.
    """
    return Expander(_find_value_set)


def names_of_value_sets() -> frozenset[str]:
    """Return the keys of the value sets that the current tenant sees."""
    keys = select(table_of(ValueSet).c.key).where(of_current_tenant(ValueSet))
    return frozenset(db.session.execute(keys).scalars()) | starter_sets().keys()


class TenantTerminology:
    """The `Terminology` of criteria: the tenant's value sets, and the loaded terminologies."""

    def __init__(self, library: Expander) -> None:
        self._library = library

    def value_set(self, name: str) -> CodeSet | None:
        """Return a value set that the tenant sees, or None if there is none."""
        try:
            outcome = self._library.value_set(name)
        except UnknownValueSetError:
            return None
        starter = starter_sets().get(name)
        return outcome.expansion.as_code_set(starter.name.lower() if starter else name)

    def below(self, coding: Coding) -> CodeSet | None:
        """Return all codes below a code, or None if its hierarchy is not loaded."""
        return self._known(Codes(codes=(coding,), descendants=True), coding.system)

    def products(self, ingredient: str) -> CodeSet | None:
        """Return an ingredient and its products, or None if RxNorm is not loaded."""
        return self._known(Codes(ingredient=(ingredient,)), RXNORM)

    def name_of(self, coding: Coding) -> str | None:
        """Return the name of a code, or None if it is not known.

        Where SNOMED CT is not loaded, conditions have the names by which texts are read.
        """
        system = BY_URL.get(coding.system)
        terminology = self._library.terminology(system) if system else None
        concept = terminology.find(coding.code) if terminology else None
        if concept:
            return concept.display
        return SNOMED_NAMES.get(coding.code) if coding.system == SNOMED else None

    def _known(self, codes: Codes, url: str) -> CodeSet | None:
        """Return an expansion, or None if it needs a hierarchy that nobody has loaded."""
        system = BY_URL.get(url)
        if url not in CODES_BELOW_BEGIN_ALIKE and (
            system is None or self._library.terminology(system) is None
        ):
            return None
        return self._library.expand(codes).expansion.as_code_set()


@contextmanager
def tenants_terminology() -> Iterator[TenantTerminology]:
    """Yield the terminology of the current tenant. Use it in one transaction, and by one thread."""
    with value_set_library() as library:
        yield TenantTerminology(library)


def read_outcome(value_set: Any) -> Outcome:
    """Return the newest expansion of a row of `value_set`."""
    columns = table_of(ValueSetExpansion).c
    content = db.session.execute(
        select(columns.content)
        .where(of_current_tenant(ValueSetExpansion), columns.value_set_id == value_set["id"])
        .order_by(columns.id.desc())
        .limit(1)
    ).scalar_one()
    return Outcome(
        Expansion.from_json(content), tuple(value_set["gaps"]), value_set["terminologies"]
    )


def _find_value_set(key: str, expander: Expander) -> Outcome | None:
    columns = table_of(ValueSet).c
    row = (
        db.session.execute(
            select(columns.id, columns.gaps, columns.terminologies).where(
                of_current_tenant(ValueSet), columns.key == key
            )
        )
        .mappings()
        .first()
    )
    if row is not None:
        return read_outcome(row)
    starter = starter_sets().get(key)
    return None if starter is None else expander.compose(starter.composition)
