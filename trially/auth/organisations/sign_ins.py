"""Record in the catalog's log which people of organisations sign in."""

from functools import partial

from sqlalchemy import insert

from trially.auth.organisations.persons import Person
from trially.auth.sign_ins import forget_failed, session_of
from trially.auth.tokens import Claims
from trially.state import app_state
from trially.tenancy.catalog_reader import catalog_reader
from trially.tenancy.catalog_sessions import reader_engine
from trially.tenancy.operators.model import OperatorAction, Stage
from trially.tenancy.operators.persons import name_of_operator


def note_sign_in(claims: Claims, person: Person) -> None:
    """Record the person's sign-in, unless this process has recorded it."""
    recorded, session = app_state().sign_ins, session_of(claims)
    key = ("organisations", person.issuer, person.subject, session)
    if recorded.get(key):
        return
    recorded.put(key, key)
    asked = catalog_reader().send(lambda: _write(person, session))
    asked.add_done_callback(partial(forget_failed, recorded, key))


def _write(person: Person, session: str) -> None:
    row = {
        "stage": Stage.NOTED,
        "action": "organisation sign-in",
        "actor": name_of_operator(person.issuer, person.subject),
        "target": None,
        "details": {
            "issuer": person.issuer,
            "subject": person.subject,
            "session": session,
            "organisations": [str(each) for each in person.places],
        },
    }
    with reader_engine().begin() as catalog:
        catalog.execute(insert(OperatorAction).values(row).inline())
