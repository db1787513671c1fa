"""Join the parts of documents to their texts, with those of the import's Binary resources."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import func, select, tuple_
from uuid_utils.compat import uuid7

from trially.database.rows import columns_named, fetch_items, of_current_tenant, table_of
from trially.recruiting.documents.extracting.problems import (
    MOST_CHARACTERS,
    MOST_PAGES,
    MOST_USES,
    SENTENCES,
    TextProblem,
)
from trially.recruiting.documents.extracting.text_of import in_pages
from trially.recruiting.documents.model import DOCUMENT_TYPES
from trially.recruiting.documents.words import find_words
from trially.recruiting.imports.faults import Concern, FaultCode, LineFault
from trially.recruiting.imports.fhir.rows import BinaryRow, PartRow, ResourceError
from trially.recruiting.imports.writing.batch_writing import fault_of
from trially.recruiting.imports.writing.batches import Batch
from trially.recruiting.imports.writing.model import ImportBinary
from trially.recruiting.imports.writing.resources import TranslatedResource
from trially.recruiting.imports.writing.upserting import (
    VERSION_COLUMNS,
    compose_insert,
    digest,
    is_newer,
    run_with_rows,
)

BINARY = "Binary"

# Of two versions of a Binary the newer one counts; of two without versions, the last one.
_STORE_BINARIES = f"""
{
    compose_insert(
        ImportBinary,
        BinaryRow,
        added=["id", "import_id", "base_url", "version_at", "version_number"],
        not_stored=["entered_in_error"],
    )
} ON CONFLICT (tenant_id, import_id, base_url, source_id) DO UPDATE
SET pages = excluded.pages, is_paged = excluded.is_paged, problem = excluded.problem,
    version_at = excluded.version_at, version_number = excluded.version_number
WHERE {is_newer("import_binary", "excluded")} IS NOT TRUE
"""

BinaryKey = tuple[str, str]
"""Base URL and id of a Binary."""


def complete_documents(
    batch: Batch, import_id: UUID, *, is_last_chance: bool = False
) -> list[TranslatedResource]:
    """Replace the documents of a batch by complete ones, and note the faults of their texts.

    The batch's Binary resources are stored until the import ends. Returns the documents that refer
    to a Binary which has not been read yet: they are taken out of the batch. With `is_last_chance`,
    they stay in it without that text, which is a fault.
    """
    _store_binaries(batch, import_id)
    documents = [each for each in batch.resources.values() if has_parts(each)]
    wanted = {key for document in documents for key in _binaries_of(document)}
    texts = _find_binaries(wanted, import_id) if wanted else {}
    waiting: list[TranslatedResource] = []
    for document in documents:
        if not is_last_chance and not texts.keys() >= _binaries_of(document):
            waiting.append(document)
            del batch.resources[document.key]
            continue
        for key in _binaries_of(document) & texts.keys():
            texts[key]["uses"] += 1
        read = [_with_binary(part, texts) for part in document.rows[0]["parts"]]
        batch.resources[document.key] = _complete(document, read)
        batch.faults += _find_faults(document, read)
    _store_uses(texts, import_id)
    return waiting


def has_parts(resource: TranslatedResource) -> bool:
    """Return whether a resource is a document whose parts are not joined yet."""
    return resource.type in DOCUMENT_TYPES and "parts" in resource.rows[0]


def _store_binaries(batch: Batch, import_id: UUID) -> None:
    binaries = [each for each in batch.resources.values() if each.type == BINARY]
    for binary in binaries:
        del batch.resources[binary.key]
    if binaries:
        items = [{**each.rows[0], "id": uuid7(), "import_id": import_id} for each in binaries]
        run_with_rows(_STORE_BINARIES, items)


def _binaries_of(document: TranslatedResource) -> set[BinaryKey]:
    """Return the keys of the Binary resources that a document refers to."""
    return {
        (part["binary_base"], part["binary_id"])
        for part in document.rows[0]["parts"]
        if part["binary_id"]
    }


def count_unused_binaries(import_id: UUID) -> int:
    """Return the number of an import's Binary resources that no document refers to."""
    binary = table_of(ImportBinary).c
    (row,) = fetch_items(
        select(func.count().label("count")).where(
            of_current_tenant(ImportBinary),
            binary.import_id == import_id,
            binary.uses == 0,
        )
    )
    return int(row["count"])


def join_parts(parts: Iterable[PartRow]) -> tuple[list[str], bool, str | None]:
    """Return the pages of a document, whether a PDF numbers them, and the first problem.

    A part whose words are those of an earlier part is the same text in another format. It is left
    out. Texts of several parts follow each other; a PDF has its page numbers only if it is alone.
    """
    problem: str | None = None
    kept: list[PartRow] = []
    seen: set[tuple[str, ...]] = set()
    for part in parts:
        words = tuple(word.text for page in part["pages"] for word in find_words(page))
        problem = problem or part["problem"]
        if part["heading"] or (words and words not in seen):
            kept.append(part)
        seen.add(words)
    if len(kept) == 1 and kept[0]["is_paged"]:
        return list(kept[0]["pages"]), True, problem
    pages: list[str] = []
    text: list[str] = []
    for part in kept:
        if part["is_paged"]:
            pages += [*in_pages("\n\n".join(text)).pages, *part["pages"]]
            text = []
        else:
            text.append(
                "\n".join([*([part["heading"]] if part["heading"] else []), *part["pages"]])
            )
    pages += in_pages("\n\n".join(text)).pages
    bounded = _bound(pages)
    if bounded < len(pages):
        problem = problem or TextProblem.TOO_LONG
    return pages[:bounded], False, problem


def _bound(pages: Sequence[str]) -> int:
    """Return how many of the pages a document may have."""
    length = 0
    for number, page in enumerate(pages[:MOST_PAGES]):
        length += len(page)
        if length > MOST_CHARACTERS:
            return number
    return min(len(pages), MOST_PAGES)


def _complete(document: TranslatedResource, parts: Sequence[PartRow]) -> TranslatedResource:
    row = {name: value for name, value in document.rows[0].items() if name != "parts"}
    pages, is_paged, problem = join_parts(parts)
    row |= {"pages": pages, "has_page_numbers": is_paged, "text_problem": problem}
    content = {name: value for name, value in row.items() if name not in VERSION_COLUMNS}
    json_rows = orjson.dumps([content], option=orjson.OPT_SORT_KEYS)
    return document._replace(rows=[row], digest=digest(json_rows), json_bytes=len(json_rows))


def _with_binary(part: PartRow, texts: Mapping[BinaryKey, Mapping[str, Any]]) -> PartRow:
    """Return a part with the text of the Binary that it refers to."""
    if not part["binary_id"]:
        return part
    text = texts.get((part["binary_base"], part["binary_id"]))
    if text is None:
        return {**part, "problem": TextProblem.NOT_IN_IMPORT}
    if text["uses"] > MOST_USES:
        return {**part, "problem": TextProblem.USED_TOO_OFTEN}
    return {
        **part,
        "pages": text["pages"],
        "is_paged": text["is_paged"],
        "problem": text["problem"],
    }


def _find_faults(document: TranslatedResource, parts: Iterable[PartRow]) -> list[LineFault]:
    return [
        _fault_of_part(document, part, TextProblem(part["problem"]))
        for part in parts
        if part["problem"]
    ]


def _fault_of_part(document: TranslatedResource, part: PartRow, problem: TextProblem) -> LineFault:
    error = ResourceError(part["element"], SENTENCES[problem])
    is_missing = problem == TextProblem.NOT_IN_IMPORT and part["binary_id"]
    fault = fault_of(
        document,
        FaultCode.TEXT_INCOMPLETE,
        error.reason,
        f"Binary/{part['binary_id']}" if is_missing else None,
    )
    return replace(fault, pointer=error.pointer, concerns=Concern.VALUE)


def _find_binaries(keys: Iterable[BinaryKey], import_id: UUID) -> dict[BinaryKey, dict[str, Any]]:
    """Return the texts of Binary resources by their keys."""
    binary = table_of(ImportBinary).c
    names = ("base_url", "source_id", "pages", "is_paged", "problem", "uses")
    found = fetch_items(
        select(*columns_named(ImportBinary, names)).where(
            of_current_tenant(ImportBinary),
            binary.import_id == import_id,
            tuple_(binary.base_url, binary.source_id).in_(list(keys)),
        )
    )
    return {(row["base_url"], row["source_id"]): row for row in found}


_STORE_USES = """
UPDATE import_binary stored SET uses = r.uses
FROM json_to_recordset(CAST(:rows AS json)) AS r(base_url text, source_id text, uses integer)
WHERE stored.tenant_id = CAST(:tenant_id AS uuid) AND stored.import_id = CAST(:import_id AS uuid)
AND stored.base_url = r.base_url AND stored.source_id = r.source_id
"""


def _store_uses(texts: Mapping[BinaryKey, Mapping[str, Any]], import_id: UUID) -> None:
    """Store by how many documents each Binary has been asked for."""
    names = ("base_url", "source_id", "uses")
    rows = [{name: text[name] for name in names} for text in texts.values()]
    if rows:
        run_with_rows(_STORE_USES, rows, import_id=str(import_id))
