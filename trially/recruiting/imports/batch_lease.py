"""A lease on a row that one process works on, batch by batch."""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from trially.database.rows import Model, find_item, update_item
from trially.database.session import transaction
from trially.recruiting.sources.locking import lock_until_commit


class LeaseLostError(Exception):
    """Another process has taken the row over, or the row was deleted."""


class BatchLease:
    """The right to run the batches of one row, until another process takes the row over.

    Each batch is one transaction, and updates the row. Each update changes the row's `updated_at`.
    If the row has another `updated_at` than this process wrote, the lease is lost. Batches with
    the same `lock_key` run one after another, whichever row they belong to.
    """

    def __init__(
        self, model: Model, row_id: UUID, lock_key: str, values: Mapping[str, Any]
    ) -> None:
        """Take the row over in the current transaction, and store `values` in it."""
        self._model = model
        self._row_id = row_id
        self._lock_key = lock_key
        self._updated_at = self._store(values)

    @contextmanager
    def batch_transaction(self, values: Callable[[], Mapping[str, Any]]) -> Iterator[None]:
        """Run one batch in a transaction, and store the result of `values` in the row at its end.

        Raises `LeaseLostError`, before the batch begins, if the lease is lost.
        """
        with transaction():
            lock_until_commit(self._lock_key)
            row = find_item(self._model, self._row_id, ("updated_at",))
            if row is None or row["updated_at"] != self._updated_at:
                raise LeaseLostError
            yield
            updated_at = self._store(values())
        self._updated_at = updated_at

    def store(self, values: Mapping[str, Any]) -> None:
        """Store values in a transaction of its own. Raises `LeaseLostError` as a batch does."""
        with self.batch_transaction(lambda: values):
            pass

    def _store(self, values: Mapping[str, Any]) -> dt.datetime:
        row = update_item(self._model, self._row_id, values, ("updated_at",))
        if row is None:
            raise LeaseLostError
        updated_at: dt.datetime = row["updated_at"]
        return updated_at
