"""Tell operators of unwrapped data keys: in the log, in a metric, and for commands in the catalog.

A server process unwraps a tenant's key again every `TRIALLY_DATA_KEY_MAX_AGE_SECONDS`, so the
catalog has records of commands only. All changes of keys are recorded by the catalog's trigger.
"""

import logging

from trially.keys.providers import KeyContext, WrappedKey
from trially.observability.metrics import data_keys_unwrapped_total
from trially.state import app_state
from trially.tenancy.catalog_sessions import catalog_transaction
from trially.tenancy.operators.recording import note

log = logging.getLogger(__name__)


def note_unwrapped(wrapped: WrappedKey, context: KeyContext) -> None:
    """Record that this process has unwrapped a data key. Commands that only read are logged."""
    data_keys_unwrapped_total.labels("unwrapped").inc()
    log.info("Unwrapped %s with the master key %s.", context, wrapped.master_key)
    state = app_state()
    if state.running_action is None or not state.running_action.is_recorded or state.only_reads:
        return
    with catalog_transaction() as session:
        note(
            session,
            "data key unwrapped",
            target=None,
            tenant_id=context.tenant_id,
            details={"version": context.version, "master_key": wrapped.master_key},
        )


def note_failed(error: Exception, context: KeyContext, *, expired_is_used: bool) -> None:
    """Record that a data key could not be unwrapped, and whether an expired one is used."""
    data_keys_unwrapped_total.labels("expired" if expired_is_used else "failed").inc()
    log.warning(
        "Could not unwrap %s (%s).%s",
        context,
        type(error).__name__,
        " An expired one is used." if expired_is_used else "",
    )
