"""What happens around the end of a transaction, be it a session's or a direct one."""

from trially.database.changes import changes_noted
from trially.database.statements import UnauditedChangeError
from trially.request_state import request_state
from trially.state import app_state


def prepare_commit() -> None:
    """Compose the audit record of the transaction. Its connection sends it in front of COMMIT."""
    state = request_state()
    if state.audit.are_empty:
        return
    if (state.audit.changes or state.audit.written) and not state.audit.are_announced:
        state.audit.are_announced = True
        changes_noted.send(state.audit)
    compose = app_state().compose_audit_record
    if compose is None:
        raise RuntimeError("This app writes no audit records, so it must not use patients' data.")
    # The record may replace one that was composed for a commit that failed.
    state.audit_sql = compose(state.audit)


def follow_commit() -> None:
    """Remember that the database has the form of the record, and run what waits for the commit."""
    state = request_state()
    if state.new_audit_form is not None:
        app_state().known_audit_forms.add(state.new_audit_form)
    if state.audit_sql:
        raise UnauditedChangeError("The audit record was not sent with the COMMIT.")
    if state.has_recorded and state.actor is not None:
        state.actor.take_record_id()
    state.forget_audit()
    waiting, state.after_commit = state.after_commit, []
    for each in waiting:
        each()


def follow_rollback() -> None:
    """Forget what the ended transaction has disclosed and changed."""
    state = request_state()
    state.forget_audit()
    state.after_commit = []
