"""What a command or job does with rows about patients. Without it, reading them is an error.

A command that prints something about patients reads it in `showing_patients`: the record is written
before anything is printed. A command that works with rows and shows none reads them in `working`.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

from trially.audit.forms import Action
from trially.audit.recording import note_patients
from trially.database.session import transaction
from trially.database.statements import UnauditedReadError
from trially.request_state import request_state


@dataclass
class Work:
    """What a command does with rows about patients."""

    action: Action = Action.OPERATE
    says_whom: bool = False
    """Whether it has said whom it shows."""

    def show(self, patient_ids: Iterable[UUID]) -> None:
        """Say which patients are shown. There may be none."""
        note_patients(patient_ids)
        self._disclose()

    def show_unknown(self) -> None:
        """Say that something about patients is shown, and that it is not known which."""
        self._disclose()

    def _disclose(self) -> None:
        request_state().audit.discloses = True
        self.says_whom = True


@contextmanager
def working(action: Action = Action.OPERATE) -> Iterator[None]:
    """Let the block read rows about patients, of which it shows nothing.

    Its changes are noted by the code that makes them.
    """
    with _entered(Work(action)):
        yield


@contextmanager
def showing_patients(action: Action = Action.OPERATE) -> Iterator[Work]:
    """Run the block in one transaction, which records the patients that the block shows.

    Raises `UnauditedReadError` if the block does not say whom it shows.
    """
    with _entered(Work(action)) as work, transaction():
        yield work
        if not work.says_whom:
            raise UnauditedReadError("The command does not say which patients it shows.")


@contextmanager
def _entered(work: Work) -> Iterator[Work]:
    state = request_state()
    former, state.work = state.work, work
    try:
        yield work
    finally:
        state.work = former
