"""Who acts in a transaction, and how: what an audit record says besides patients and changes."""

from dataclasses import dataclass, replace
from functools import cache
from uuid import UUID

import click

from trially.audit.forms import Action, Form, Purpose
from trially.request_state import request_state
from trially.tenancy.operators.persons import current_person


@dataclass(slots=True)
class Actor:
    """Who acts, by which route or command, and with what result."""

    form: Form
    member_id: UUID | None = None
    api_key_id: UUID | None = None
    """The API key with which a program acts for the member."""

    operator: str | None = None
    request_id: str | None = None
    record_id: UUID | None = None
    """Id of the next record; None for a new one."""

    outcome: int = 0
    """HTTP status of the answer; 0 while there is none, and for commands and jobs."""

    only_reads: bool = False

    def take_record_id(self) -> None:
        """Note that the record was written: further records of the request have new ids."""
        if self.record_id is not None:
            self.request_id, self.record_id = self.record_id.hex, None


def current_actor() -> Actor:
    """Return who acts: the caller of the request, or else the operator who runs this process."""
    return request_state().actor or Actor(_form_of_command(), operator=operator_name())


def act_for(purpose: Purpose, action: Action | None = None) -> None:
    """Say why the current actor acts and, if the route does not say it, what the actor does."""
    actor = current_actor()
    form = replace(actor.form, purpose=purpose, action=action or actor.form.action)
    request_state().actor = replace(actor, form=form)


@cache
def operator_name() -> str:
    """Return the account of the person who runs this process, and the host."""
    person = current_person()
    return f"{person.name}@{person.host}"[:255]


def _form_of_command() -> Form:
    context = click.get_current_context(silent=True)
    route = "a job" if context is None else context.command_path
    work = request_state().work
    action = Action.OPERATE if work is None else work.action
    return Form(route[:200], action, Purpose.OPERATION)
