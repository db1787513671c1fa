"""Facts that wait: they are stored until an import of their source brings their patient."""

import datetime as dt
from collections.abc import Callable, Sequence
from uuid import UUID

from sqlalchemy import func, select
from uuid_utils.compat import uuid7

from trially.audit.recording import note
from trially.database.changes import note_derived
from trially.database.rows import Item, columns_named, fetch_items, of_current_tenant, table_of
from trially.database.sealed_rows import stored_row
from trially.recruiting.imports.faults import FaultCode, LineFault
from trially.recruiting.imports.import_run import ImportRun
from trially.recruiting.imports.limits import ImportLimits
from trially.recruiting.imports.waiting.model import WaitingFact
from trially.recruiting.imports.waiting.queries import (
    count_of_source,
    delete_rows,
    delete_waiting,
    fetch_resources,
    fitting,
    search,
    search_textless,
)
from trially.recruiting.imports.writing.batch_writing import fault_of, write_batch
from trially.recruiting.imports.writing.batches import Batch
from trially.recruiting.imports.writing.document_texts import complete_documents, has_parts
from trially.recruiting.imports.writing.gone import without_erased_identifiers, without_gone
from trially.recruiting.imports.writing.patient_keys import (
    describe_patient_key,
    explain_waiting,
    find_patients,
)
from trially.recruiting.imports.writing.resources import TranslatedResource
from trially.recruiting.imports.writing.upserting import run_with_rows
from trially.recruiting.imports.writing.waiting_rows import (
    FIND,
    FORGET,
    KEEP,
    REPLACE,
    StoredResource,
    WaitingRow,
    key_of,
)
from trially.recruiting.imports.writing.withdrawing import Withdrawal

_LOWEST_ID = UUID(int=0)


class WaitingFacts:
    """The waiting facts of one source, during an import."""

    def __init__(self, run: ImportRun, limits: ImportLimits) -> None:
        self._run = run
        self._most = limits.most_waiting_facts
        self._number: int | None = None
        """How many facts of the source wait; None until it is counted."""

    def write(self, batch: Batch) -> None:
        """Write a batch. Its facts without a patient wait, and its other facts no longer do.

        Documents whose text is in a Binary that has not been read wait as well.
        """
        textless = self._without_text(batch)
        without_patient = write_batch(batch, self._run.source)
        if self._number is None:
            self._number = count_of_source(self._run.source)
        if self._number:
            waiting = {fact.key for fact in without_patient}
            written = [each for each in batch.resources.values() if each.key not in waiting]
            self._forget([*written, *batch.withdrawals.values()])
        self._keep([*without_patient, *textless], batch)

    def expire(self, days: int) -> None:
        """Delete the facts of the source that have waited for more than `days`; 0: none."""
        if days:
            with self._run.batch_transaction():
                delete_waiting(self._run.source, dt.timedelta(days=days))

    def resolve(self, check_time: Callable[[], None]) -> None:
        """Write all waiting facts of the source whose patient is stored now.

        `check_time` is called before each batch, and raises `ImportTimeError` when the import's
        time is used up.
        """
        after: UUID | None = _LOWEST_ID
        while after is not None:
            check_time()
            with self._run.batch_transaction():
                after = self._resolve_some(after)

    def complete_documents(self, check_time: Callable[[], None]) -> None:
        """Complete the documents of this import that wait, as far as it has their Binary resources.

        After that, the texts of Binary resources can be deleted.
        """
        after: UUID | None = _LOWEST_ID
        while after is not None:
            check_time()
            with self._run.batch_transaction():
                batch, after = self._complete_some(after)
                self._run.count(batch)

    def keep_texts(self) -> None:
        """Complete the documents that wait when an import fails, which counts no more faults."""
        after: UUID | None = _LOWEST_ID
        while after is not None:
            with self._run.batch_transaction():
                _, after = self._complete_some(after)

    def report(self) -> None:
        """Count the facts of this import that wait, and record them as faults."""
        waiting = table_of(WaitingFact).c
        condition = (of_current_tenant(WaitingFact), waiting.import_id == self._run.id)
        numbers = select(waiting.source_type, func.count().label("number")).where(*condition)
        for row in fetch_items(numbers.group_by(waiting.source_type)):
            kind, number = row["source_type"], row["number"]
            self._run.count_waiting(kind, number)
            columns = columns_named(
                WaitingFact, ("file", "line", "source_type", "source_id", "patient_key")
            )
            first = fetch_items(
                select(*columns)
                .where(*condition, waiting.source_type == kind)
                .order_by(waiting.id)
                .limit(max(self._run.most_stored_faults, 1))
            )
            self._run.count_faults([_fault_of_waiting(row) for row in first], number)

    def _without_text(self, batch: Batch) -> Sequence[TranslatedResource]:
        """Take the documents out of a batch that wait for their Binary resources."""
        textless = complete_documents(batch, self._run.id)
        used = without_gone(
            [each for each in textless if each.key not in batch.withdrawals],
            batch.source,
            batch.written,
        )
        return without_erased_identifiers(used, batch.source, batch.written)

    def _forget(self, written: Sequence[TranslatedResource | Withdrawal]) -> None:
        if written:
            rows = [
                {
                    **each.key.columns(),
                    "version_at": each.version.at,
                    "version_number": each.version.number,
                }
                for each in written
            ]
            run_with_rows(FORGET, rows, source=self._run.source)
            note_derived("waiting_fact")

    def _bound(
        self, facts: Sequence[TranslatedResource]
    ) -> tuple[Sequence[TranslatedResource], Sequence[TranslatedResource]]:
        """Return the facts that may wait, and those that may not. An update needs no room."""
        assert self._number is not None  # noqa: S101
        room = max(self._most - self._number, 0)
        if len(facts) <= room:
            return facts, []
        rows = run_with_rows(FIND, map(key_of, facts), source=self._run.source)
        known = {tuple(row) for row in rows}
        updates = [fact for fact in facts if tuple(key_of(fact).values()) in known]
        others = [fact for fact in facts if tuple(key_of(fact).values()) not in known]
        return [*updates, *others[:room]], others[room:]

    def _keep(self, facts: Sequence[TranslatedResource], batch: Batch) -> None:
        kept, excess = self._bound(facts)
        for fact in excess:
            absent = "Binary with its text" if has_parts(fact) else "patient"
            reason = (
                f"The {absent} is not here, and {self._most:,} records of this source wait already."
            )
            missing = describe_patient_key(fact.patient_id)
            batch.remove(fact, fault_of(fact, FaultCode.TOO_MANY_WAITING, reason, missing))
        table = table_of(WaitingFact)
        rows = [stored_row(table, _to_row(fact, self._run)) for fact in kept]
        if rows:
            self._number = (self._number or 0) + sum(
                row.is_new for row in run_with_rows(KEEP, rows)
            )
            note_derived("waiting_fact")
            note(waiting=len(rows))

    def _resolve_some(self, after: UUID) -> UUID | None:
        """Write a batch of the waiting facts after `after`.

        Returns the id of the last fact that was looked at, None if there was none.
        """
        searched = search(self._run.source, self._run.id, after)
        if not searched:
            return None
        patients = find_patients(self._run.source, {row["patient_key"] for row in searched})
        ready = [row for row in searched if row["patient_key"] in patients]
        chosen = fitting(ready)
        if chosen:
            batch = Batch(source=self._run.source_state)
            for resource in fetch_resources([row["id"] for row in chosen]).values():
                batch.put(resource)
            complete_documents(batch, self._run.id, is_last_chance=True)
            write_batch(batch, self._run.source)
            delete_rows([row["id"] for row in chosen])
            for resource in batch.resources.values():
                self._run.count_resolved(resource.type, 1)
            self._run.count(batch)
        last: UUID = (searched if len(chosen) == len(ready) else chosen)[-1]["id"]
        return last

    def _complete_some(self, after: UUID) -> tuple[Batch, UUID | None]:
        """Complete a batch of the documents after `after`.

        Returns the batch with the faults of their texts, and the id of the last document, None if
        there was none.
        """
        chosen = fitting(search_textless(self._run.id, after))
        batch = Batch(source=self._run.source_state)
        if not chosen:
            return batch, None
        ids = {}
        for waiting_id, resource in fetch_resources([row["id"] for row in chosen]).items():
            batch.put(resource)
            ids[resource.key] = waiting_id
        complete_documents(batch, self._run.id, is_last_chance=True)
        table = table_of(WaitingFact)
        rows = [
            stored_row(table, {**_stored(document), "id": ids[document.key]})
            for document in batch.resources.values()
        ]
        run_with_rows(REPLACE, rows)
        note_derived("waiting_fact")
        return batch, chosen[-1]["id"]


def _to_row(fact: TranslatedResource, run: ImportRun) -> WaitingRow:
    return {
        "id": uuid7(),
        "source": run.source,
        "base_url": fact.key.base_url,
        "source_type": fact.type,
        "source_id": fact.id,
        "patient_key": fact.patient_id,
        "version_at": fact.version.at,
        "version_number": fact.version.number,
        "import_id": run.id,
        "file": fact.file,
        "line": fact.line,
        **_stored(fact),
    }


def _stored(fact: TranslatedResource) -> StoredResource:
    return {
        "resource": {"type": fact.type, "rows": fact.rows, "digest": fact.digest},
        "json_bytes": fact.json_bytes,
        "awaits_binary": has_parts(fact),
    }


def _fault_of_waiting(row: Item) -> LineFault:
    return LineFault(
        row["file"],
        row["line"],
        explain_waiting(row["patient_key"]),
        code=FaultCode.PATIENT_MISSING,
        resource_type=row["source_type"],
        resource_id=row["source_id"],
        missing_id=describe_patient_key(row["patient_key"]),
    )
