"""See which tables a statement writes and reads, so that nothing escapes the audit log.

Every statement of a tenant's connection passes `note_statement`. It looks at the statement's text,
because that costs no round trip: the tables of a text are found once and remembered.

- A statement that writes an audited table must be followed by a note of the change
  (`trially.database.changes`). Else the transaction cannot be committed.
- A command or job that reads rows about patients must have said first what it does with them
  (`trially.audit.working`). A request need not: its contract says whom the answer shows.

Rows that a foreign key deletes with their patient are not in the text. The deletion of the patient
is noted.
"""

import re
from functools import lru_cache

import click
from flask import has_request_context

from trially.database.changes import is_audited, shows_patients
from trially.database.model import TenantModel
from trially.request_state import request_state

_GAP = r"(?:\s|/\*.*?\*/|--[^\n]*\n)+"
_NAME = r'"?([a-z_][\w$]*)"?'
_WRITES = re.compile(
    rf"\b(?:insert{_GAP}into|merge{_GAP}into|update|delete{_GAP}from|copy|truncate(?:{_GAP}table)?)"
    rf"{_GAP}(?:only{_GAP})?(?:{_NAME}\s*\.\s*)?{_NAME}",
    re.IGNORECASE | re.DOTALL,
)
_WORD = re.compile(r"[a-z_][\w$]*", re.IGNORECASE)
_STATEMENTS_KNOWN = 4096
_Tables = frozenset[str]


class UnauditedChangeError(RuntimeError):
    """A transaction has changed a table, and its audit record would not say so."""


class UnauditedReadError(RuntimeError):
    """A command reads rows about patients, and has not said what it does with them."""


def note_statement(statement: str | bytes) -> None:
    """Note the tables that a statement writes.

    Raises `UnauditedReadError` if a command reads rows about patients without having said why.
    """
    written, read = _tables_of(statement, len(TenantModel.metadata.tables))
    if written:
        request_state().audit.unnoted |= written
    # A request is answered outside of commands, so it pays for no more than this.
    if not (read and _is_command()):
        return
    state = request_state()
    if state.work is None and state.actor is None:
        raise UnauditedReadError(
            f"This command reads {_join(read)}, which tells something about patients. Enter"
            " `showing_patients` or `working` of trially.audit.working first."
        )


def refuse_unnoted_changes() -> None:
    """Raise `UnauditedChangeError` if the open transaction must not be committed.

    A process of trially answers requests or runs a command. What uses the package without either,
    such as a script of a developer, acts as no caller that a record could name.
    """
    state = request_state()
    if state.audit.unnoted and (state.actor is not None or _is_command()):
        raise UnauditedChangeError(
            f"The transaction has written {_join(state.audit.unnoted)}, and nothing was noted for"
            " its audit record. Call note_change or note_written of trially.database.changes."
        )
    if not state.audit.are_empty and not state.audit_sql:
        raise UnauditedChangeError("The transaction has no audit record. Commit by the session.")


def _is_command() -> bool:
    """Return whether a command acts, and not a request that it sends to the app itself."""
    return click.get_current_context(silent=True) is not None and not has_request_context()


@lru_cache(_STATEMENTS_KNOWN)
def _tables_of(statement: str | bytes, _tables: int) -> tuple[_Tables, _Tables]:
    """Return the audited tables that a statement writes, and those about patients that it names.

    `_tables` is the number of all tables, so that a later model is seen too.
    """
    text = statement.decode(errors="replace") if isinstance(statement, bytes) else statement
    tables = TenantModel.metadata.tables
    written = {match[2].lower() for match in _WRITES.finditer(text)}
    named = {word.lower() for word in _WORD.findall(text)}
    return (
        frozenset(name for name in written & tables.keys() if is_audited(tables[name])),
        frozenset(name for name in named & tables.keys() if shows_patients(tables[name])),
    )


def _join(tables: set[str] | _Tables) -> str:
    return ", ".join(sorted(tables))
