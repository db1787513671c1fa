"""A session that sends each statement to the current placement and audits its commits."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from flask_sqlalchemy.session import Session
from sqlalchemy import Connection, Engine, event, text
from sqlalchemy.orm import ORMExecuteState, SessionTransaction

from trially.database.direct import adopted_connection, close_direct, unadopted
from trially.database.ending import follow_commit, follow_rollback, prepare_commit
from trially.database.placement import WrongTenantError, current_placement
from trially.database.tenant_engine import tenant_engine
from trially.database.tenant_objects import check_objects, check_rows, with_merged
from trially.request_state import request_state

_O = TypeVar("_O")


class PlacedSession(Session):
    """A session that sends every statement to the current placement's engine.

    Flask-SQLAlchemy's session chooses an engine by model; this one chooses by request. Its
    maintainer recommends to override `get_bind` for that. A session belongs to the first tenant
    that it serves, and so do its objects.
    """

    def get_bind(self, *_args: Any, **_kwargs: Any) -> Engine | Connection:
        """Return the current placement's engine, or the connection of the direct transaction.

        Raises `NoTenantError`, or `WrongTenantError` if this session has served another tenant.
        """
        self._check_tenant()
        return adopted_connection() or tenant_engine()

    def add(self, instance: object, *, _warn: bool = True) -> None:
        """Add an object to the session, or raise `WrongTenantError`.

        The listener below checks the same. But for an object that is still in another session,
        SQLAlchemy raises its own `InvalidRequestError` before it calls the listener.
        """
        check_objects(instance)
        super().add(instance, _warn=_warn)

    def merge(self, instance: _O, **options: Any) -> _O:
        """Copy an object and those related to it into this session; see `Session.merge`."""
        self._check_tenant()
        check_objects(*with_merged(instance))
        return super().merge(instance, **options)

    def merge_all(self, instances: Iterable[_O], **options: Any) -> Sequence[_O]:
        """Copy several objects into this session; see `Session.merge_all`."""
        return [self.merge(instance, **options) for instance in instances]

    def refresh(self, instance: object, *args: Any, **options: Any) -> None:
        """Load an object of this session again; see `Session.refresh`."""
        check_objects(instance)
        super().refresh(instance, *args, **options)

    def delete(self, instance: object) -> None:
        """Mark an object as deleted; see `Session.delete`."""
        self._check_tenant()
        check_objects(instance)
        super().delete(instance)

    def delete_all(self, instances: Iterable[object]) -> None:
        """Mark several objects as deleted; see `Session.delete_all`."""
        for instance in instances:
            self.delete(instance)

    def bulk_save_objects(self, objects: Iterable[object], *args: Any, **options: Any) -> None:
        """Save objects without the session's bookkeeping; see `Session.bulk_save_objects`."""
        saved = list(objects)
        check_objects(*saved)
        super().bulk_save_objects(saved, *args, **options)

    def bulk_insert_mappings(
        self, mapper: Any, mappings: Iterable[dict[str, Any]], *args: Any, **options: Any
    ) -> None:
        """Insert rows given as mappings; see `Session.bulk_insert_mappings`."""
        rows = list(mappings)
        check_rows(rows)
        super().bulk_insert_mappings(mapper, rows, *args, **options)

    def bulk_update_mappings(self, mapper: Any, mappings: Iterable[dict[str, Any]]) -> None:
        """Update rows given as mappings; see `Session.bulk_update_mappings`."""
        rows = list(mappings)
        check_rows(rows)
        super().bulk_update_mappings(mapper, rows)

    def _identity_lookup(self, *args: Any, **options: Any) -> Any:
        """Find a loaded object without SQL, or raise `WrongTenantError`.

        SQLAlchemy calls this for `get`, `get_one` and lazy loads before it sends a statement, so
        before it calls `get_bind`.
        """
        self._check_tenant()
        return super()._identity_lookup(*args, **options)

    def _check_tenant(self) -> None:
        """Raise `WrongTenantError` if this session has served another tenant."""
        tenant_id = current_placement().tenant_id
        if self.info.setdefault("tenant_id", tenant_id) != tenant_id:
            raise WrongTenantError("This session belongs to another tenant.")


@event.listens_for(PlacedSession, "before_attach")
def _refuse_objects_of_others(_session: Session, item: Any) -> None:
    """Raise `WrongTenantError` for an object of another tenant."""
    check_objects(item)


@event.listens_for(PlacedSession, "do_orm_execute")
def _refuse_rows_of_others(state: ORMExecuteState) -> None:
    """Raise `WrongTenantError` for the parameters of a write that name another tenant."""
    if state.parameters and (state.is_insert or state.is_update):
        rows = state.parameters
        check_rows([rows] if isinstance(rows, Mapping) else rows)


@event.listens_for(PlacedSession, "before_flush")
def _set_tenant(session: Session, _context: Any, _instances: Any) -> None:
    """Set the tenant of new objects, and refuse a changed tenant."""
    tenant_id = current_placement().tenant_id
    for item in session.new:
        if item.tenant_id is None:
            item.tenant_id = tenant_id
    check_objects(*session.new, *session.dirty, *session.deleted)


@event.listens_for(PlacedSession, "before_commit")
def _prepare_commit(session: Session) -> None:
    """Compose the audit record of the transaction."""
    if session.in_nested_transaction():
        return
    prepare_commit()
    state = request_state()
    # A transaction begins with its first statement. Without one, nothing would be committed.
    if state.audit_sql and not state.has_begun:
        session.execute(text("SELECT 1"))


@event.listens_for(PlacedSession, "after_commit")
def _follow_commit(session: Session) -> None:
    """Finish the transaction; a savepoint ends none."""
    if not session.in_nested_transaction():
        follow_commit()


@event.listens_for(PlacedSession, "after_rollback")
def _follow_rollback(session: Session) -> None:
    """Forget what the transaction noted; a savepoint ends none."""
    if not session.in_nested_transaction():
        follow_rollback()


@event.listens_for(PlacedSession, "after_transaction_end")
def _return_adopted(_session: Session, ended: SessionTransaction) -> None:
    """Return the connection of a direct transaction that the session had adopted."""
    if ended.parent is None and unadopted() is None:
        close_direct()
