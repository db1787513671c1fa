"""Record in the catalog's log which operators sign in to the platform API."""

from functools import partial

from sqlalchemy import insert

from trially.auth.platform.callers import Caller
from trially.auth.sign_ins import forget_failed, session_of
from trially.auth.tokens import Claims
from trially.state import app_state
from trially.tenancy.catalog_reader import catalog_reader
from trially.tenancy.catalog_sessions import reader_engine
from trially.tenancy.operators.model import OperatorAction, Stage
from trially.tenancy.operators.persons import name_of_operator


def note_sign_in(claims: Claims, caller: Caller) -> None:
    """Record the operator's sign-in, unless this process has recorded it."""
    recorded, session = app_state().sign_ins, session_of(claims)
    key = ("platform", caller.issuer, caller.subject, session)
    if recorded.get(key):
        return
    recorded.put(key, key)
    asked = catalog_reader().send(lambda: _write(caller, session))
    asked.add_done_callback(partial(forget_failed, recorded, key))


def _write(caller: Caller, session: str) -> None:
    row = {
        "stage": Stage.NOTED,
        "action": "platform sign-in",
        "actor": name_of_operator(caller.issuer, caller.subject),
        "target": None,
        "details": {
            "issuer": caller.issuer,
            "subject": caller.subject,
            "session": session,
            "role": caller.role,
        },
    }
    with reader_engine().begin() as catalog:
        catalog.execute(insert(OperatorAction).values(row).inline())
