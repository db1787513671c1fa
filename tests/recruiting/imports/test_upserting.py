"""A composed statement writes what is new or has changed, and nothing else."""

from typing import Any

import pytest
from uuid_utils.compat import uuid7

from tests.recruiting.imports.importing import Importer
from trially.database.session import transaction
from trially.recruiting.imports.model import Medication
from trially.recruiting.imports.writing.upserting import compose_upsert, digest, run_with_rows
from trially.tenancy.context import tenant_context

UPSERT = compose_upsert(
    Medication, ("source", "source_id"), kept=frozenset({"display"}), returning="source_id"
)


def upsert(take_in: Importer, *rows: dict[str, Any]) -> list[tuple[str, bool]]:
    items = [
        {"id": uuid7(), "source": "s", "content_hash": digest(str(row).encode()), **row}
        for row in rows
    ]
    with take_in.app.app_context(), tenant_context(take_in.tenant.slug), transaction():
        return sorted((row.source_id, row.is_new) for row in run_with_rows(UPSERT, items))


def test_only_what_is_new_or_has_changed_is_written(take_in: Importer) -> None:
    first = upsert(take_in, {"source_id": "a", "code": "1"}, {"source_id": "b", "code": "1"})
    again = upsert(take_in, {"source_id": "a", "code": "1"}, {"source_id": "b", "code": "2"})

    assert first == [("a", True), ("b", True)]
    assert again == [("b", False)]
    assert take_in.query("SELECT source_id, code FROM medication ORDER BY 1") == [
        ("a", "1"),
        ("b", "2"),
    ]


def test_a_kept_column_is_not_the_sources_to_say(take_in: Importer) -> None:
    upsert(take_in, {"source_id": "a", "code": "1"})
    take_in.query("UPDATE medication SET display = 'ours'")

    upsert(take_in, {"source_id": "a", "code": "2", "display": "theirs"})

    assert take_in.query("SELECT code, display FROM medication") == [("2", "ours")]


@pytest.mark.parametrize("text", ["'; DROP TABLE medication; --", ":rows %s %(rows)s", 'é\\"\n'])
def test_values_stay_values(take_in: Importer, text: str) -> None:
    upsert(take_in, {"source_id": "a", "code": text})

    assert take_in.query("SELECT code FROM medication") == [(text,)]
