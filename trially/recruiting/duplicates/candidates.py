"""Which patients are compared: those who share a key, of which few patients share it.

A key is a full name, a day of birth, a phone number, an email address, an MRN or another
identifier. A key that many patients share is often a default, such as the birth date 1900-01-01.
Of those patients, one is compared only with those whose full names come next in the alphabet, and
with some of the same family name, and only if the names are alike. So the number of comparisons
grows with the number of patients, and not with its square.
"""

from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text

from trially.database.placement import current_placement
from trially.database.session import db
from trially.recruiting.duplicates.scoring import Name, are_alike

MOST_OF_A_KEY = 100
"""If more patients share a key, they are not all compared."""

LOOKED_AT = 100
"""Full names before and after a patient's that are looked at for others with a frequent key."""

NEAREST = 10
"""How many of those are compared, on each side, and of the same family name."""

IS_KEY = """
(kind IN ('full_name', 'phone', 'email', 'mrn') OR (kind = 'birth_date' AND length(term) >= 10))
"""
"""The condition of terms that possible duplicates share. A part of a date is shorter, and the blind
index of a whole date is longer."""

SHARING_PATIENTS = f"""
SELECT DISTINCT least(keys.patient_id, other.patient_id) AS patient_id,
    greatest(keys.patient_id, other.patient_id) AS other_patient_id
FROM keys CROSS JOIN LATERAL (
    SELECT patient_id FROM patient_search_term shared
    WHERE shared.tenant_id = CAST(:tenant_id AS uuid)
    AND shared.kind = keys.kind AND shared.term = keys.term
    AND shared.patient_id <> keys.patient_id
    LIMIT {MOST_OF_A_KEY}
) AS other
"""
"""The pairs of patients who share one of the `keys`."""

_KEYS = f"""
all_keys AS MATERIALIZED (
    SELECT DISTINCT patient_id, kind, term FROM patient_search_term
    WHERE tenant_id = CAST(:tenant_id AS uuid) AND patient_id = ANY(CAST(:ids AS uuid[]))
    AND {IS_KEY}
), frequent AS MATERIALIZED (
    SELECT kind, term FROM (SELECT DISTINCT kind, term FROM all_keys) AS each
    WHERE {MOST_OF_A_KEY} < (SELECT count(*) FROM (
        SELECT FROM patient_search_term shared
        WHERE shared.tenant_id = CAST(:tenant_id AS uuid)
        AND shared.kind = each.kind AND shared.term = each.term
        LIMIT {MOST_OF_A_KEY + 1}
    ) AS first_ones)
)
"""
_RARE = f"""
WITH {_KEYS}, keys AS (
    SELECT * FROM all_keys WHERE (kind, term) NOT IN (SELECT kind, term FROM frequent)
)
{SHARING_PATIENTS}
"""
_NEAR = """
SELECT patient_id, term FROM (
    SELECT patient_id, term FROM patient_search_term near
    WHERE near.tenant_id = CAST(:tenant_id AS uuid)
    AND near.kind = 'full_name' AND near.term {compared} named.term
    ORDER BY near.term {order} LIMIT {looked_at}
) AS near
WHERE patient_id <> named.patient_id AND {shares_key}
LIMIT {nearest}
"""
_SHARES_KEY = """
(
    SELECT true FROM patient_search_term again
    WHERE again.tenant_id = CAST(:tenant_id AS uuid) AND again.kind = named.key_kind
    AND again.term = named.key AND again.patient_id = near.patient_id
    LIMIT 1
)
"""
"""As a join, PostgreSQL would read all patients who share the key, for each patient again."""

_SAME_FAMILY = f"""
SELECT near.patient_id, other.term FROM (
    SELECT family.patient_id FROM patient_search_term word
    JOIN patient_search_term family ON family.tenant_id = word.tenant_id
        AND family.kind = 'name' AND family.term = word.term
    WHERE word.tenant_id = CAST(:tenant_id AS uuid) AND word.patient_id = named.patient_id
    AND word.kind = 'name' AND word.field = 'family_name'
    LIMIT {LOOKED_AT}
) AS near
JOIN patient_search_term other ON other.tenant_id = CAST(:tenant_id AS uuid)
    AND other.patient_id = near.patient_id AND other.kind = 'full_name'
WHERE near.patient_id <> named.patient_id AND {_SHARES_KEY}
LIMIT {NEAREST}
"""


def _near(compared: str, order: str) -> str:
    return _NEAR.format(
        compared=compared,
        order=order,
        looked_at=LOOKED_AT,
        nearest=NEAREST,
        shares_key=_SHARES_KEY,
    )


_NEIGHBOURS = f"""
WITH {_KEYS}, named AS MATERIALIZED (
    SELECT DISTINCT key.patient_id, key.kind AS key_kind, key.term AS key, name.term
    FROM all_keys AS key JOIN frequent USING (kind, term)
    JOIN all_keys AS name ON name.patient_id = key.patient_id AND name.kind = 'full_name'
)
SELECT DISTINCT named.patient_id, named.term, near.patient_id AS other_id, near.term AS other_term
FROM named CROSS JOIN LATERAL (
    ({_near(">=", "ASC")}) UNION ALL ({_near("<", "DESC")}) UNION ALL ({_SAME_FAMILY})
) AS near
"""
_FREQUENT = f"""
SELECT kind, count(*) AS number FROM (
    SELECT kind FROM patient_search_term
    WHERE tenant_id = CAST(:tenant_id AS uuid) AND {IS_KEY}
    GROUP BY kind, term HAVING count(DISTINCT patient_id) > {MOST_OF_A_KEY}
) AS frequent GROUP BY kind ORDER BY kind
"""


def pairs_to_compare(patient_ids: Sequence[str]) -> set[tuple[UUID, UUID]]:
    """Return the pairs of some patients with others that are worth a comparison."""
    shared = _run(_RARE, ids=patient_ids)
    pairs = {(row.patient_id, row.other_patient_id) for row in shared}
    pairs.update(_neighbours(patient_ids))
    return pairs


def count_frequent_keys() -> dict[str, int]:
    """Return how many keys of each kind so many patients share that not all are compared."""
    return {row.kind: row.number for row in _run(_FREQUENT)}


def _neighbours(patient_ids: Sequence[str]) -> Iterator[tuple[UUID, UUID]]:
    for row in _run(_NEIGHBOURS, ids=patient_ids):
        if are_alike(_name_of(row.term), _name_of(row.other_term)):
            yield min(row.patient_id, row.other_id), max(row.patient_id, row.other_id)


def _name_of(full_name: str) -> Name:
    """Return a name from its search term. A part that a patient lacks has no words."""
    given, _, family = full_name.partition(" ")
    return Name(tuple(given.split()), tuple(family.split()))


def _run(statement: str, **parameters: Any) -> Sequence[Row[Any]]:
    tenant_id = str(current_placement().tenant_id)
    return (
        db.session.connection()
        .execute(text(statement), {**parameters, "tenant_id": tenant_id})
        .all()
    )
