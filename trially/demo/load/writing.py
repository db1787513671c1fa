"""A writer: creates patients, replays their keys, and changes and deletes what it created."""

import json
from collections import deque
from collections.abc import Iterator
from itertools import count
from typing import Any

from trially.demo.load.clients import Answer, Request
from trially.demo.load.fictions import changed_phone, describe_patient
from trially.demo.load.findings import FindingKind
from trially.demo.load.ledger import GONE, Entry, State
from trially.demo.load.sending import Sender, Sent
from trially.demo.load.traffic import Kind

PATIENTS = "/api/v1/patients"
JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
KEPT = 200
"""Records that a writer keeps. Above it, the oldest is deleted for each new one."""

CHANGES_PER_RECORD = 2
REPLAYED = 3
DELETED = 7
"""The writer replays the key of every third record, and deletes every seventh at once."""


class Writer:
    """Writes records of one tenant. No other client writes them."""

    def __init__(self, sender: Sender, number: int) -> None:
        self._sender, self._ledger, self._number = sender, sender.ledger, number
        self._kept: deque[tuple[Entry, Answer]] = deque()

    def steps(self) -> Iterator[None]:
        """Write for ever, one request for each step."""
        for number in count():
            created = self._create(number)
            yield
            if created is None:
                continue
            entry, _ = created
            self._kept.append(created)
            for _ in range(CHANGES_PER_RECORD):
                self._change(self._kept[number % len(self._kept)][0])
                yield
            if number % REPLAYED == 0:
                self._replay(*self._kept[number % len(self._kept)])
                yield
            if number % DELETED == 0:
                self._kept.pop()
                self._delete(entry)
                yield
            if len(self._kept) > KEPT:
                self._delete(self._kept.popleft()[0])
                yield

    def _create(self, number: int) -> tuple[Entry, Answer] | None:
        key = self._ledger.key(self._number, number)
        values = describe_patient(key)
        entry = Entry(key, json.dumps(values).encode())
        entry.begin(State(values))
        self._ledger.open(entry)
        sent = self._sender.send(Kind.CREATE, _creation(entry))
        answer = sent.answer
        if answer.status == 201:
            entry.id = str(answer.document["id"])
            entry.acknowledge(_state_of(answer, values))
            return entry, answer
        if answer.status == 409 and sent.was_repeated:
            self._ledger.find(FindingKind.DOUBLED, f"The key {key} was carried out once more.")
        else:
            self._note_failure(sent, f"the creation of {key}")
        return None

    def _replay(self, entry: Entry, first: Answer) -> None:
        """Send a creation once more. The answer must be the first one, although the row changed."""
        answer = self._sender.send(Kind.REPLAY, _creation(entry)).answer
        if not answer.is_final:
            return  # nothing was written, and nothing is known
        names = ("etag", "location")
        is_same = answer.document == first.document and all(
            answer.headers.get(name) == first.headers.get(name) for name in names
        )
        if answer.status != 201 or not is_same or "idempotency-replayed" not in answer.headers:
            said = f"{answer.status} {answer.cause}".strip()
            what = f"The key {entry.key} was answered differently when it was repeated: {said}."
            self._ledger.find(FindingKind.DOUBLED, what)

    def _change(self, entry: Entry) -> None:
        former = entry.newest
        if former.values is None or entry.pending:  # the outcome of the last write is unknown
            return
        version = former.values["clinical_version"] + 1
        phone = changed_phone(entry.key, version)
        values = {**former.values, "phone": phone, "clinical_version": version}
        entry.begin(State(values))
        headers = {"Content-Type": MERGE_PATCH, "If-Match": str(former.etag)}
        body = json.dumps({"phone": phone}).encode()
        sent = self._sender.send(Kind.CHANGE, Request("PATCH", _path(entry), body, headers))
        answer = sent.answer
        if answer.status == 200:
            if not State(values).is_shown_by(answer.document):
                self._ledger.find(FindingKind.WRONG, f"A change of {entry.key} has another result.")
            entry.acknowledge(_state_of(answer, values))
        elif answer.status == 412 and sent.was_repeated:
            self._settle(entry, values)
        else:
            self._note_failure(sent, f"a change of {entry.key}")

    def _settle(self, entry: Entry, values: dict[str, Any]) -> None:
        """Find out by reading whether a change was made whose first answer did not arrive."""
        sent = self._sender.send(Kind.READ, Request("GET", _path(entry)))
        if sent.answer.status == 200 and State(values).is_shown_by(sent.answer.document):
            entry.acknowledge(_state_of(sent.answer, values))
        elif sent.answer.is_final:
            self._ledger.find(FindingKind.WRONG, f"{entry.key} has a version that nobody wrote.")
        else:
            self._note_failure(sent, f"a change of {entry.key}")

    def _delete(self, entry: Entry) -> None:
        if entry.pending:
            return
        entry.begin(GONE)
        headers = {"If-Match": str(entry.newest.etag)}
        sent = self._sender.send(Kind.DELETE, Request("DELETE", _path(entry), None, headers))
        status = sent.answer.status
        if status == 204 or (status == 404 and sent.was_repeated):
            entry.acknowledge(GONE)
        else:
            self._note_failure(sent, f"the deletion of {entry.key}")

    def _note_failure(self, sent: Sent, what: str) -> None:
        if sent.answer.status == 404:
            self._ledger.find(FindingKind.LOST, f"404 {sent.answer.cause} to {what}.")
        else:
            self._sender.note_failure(sent, what)


def _creation(entry: Entry) -> Request:
    headers = {"Content-Type": JSON, "Idempotency-Key": entry.key}
    return Request("POST", PATIENTS, entry.body, headers)


def _path(entry: Entry) -> str:
    return f"{PATIENTS}/{entry.id}"


def _state_of(answer: Answer, values: dict[str, Any]) -> State:
    """Return the state that an answer shows, with the values that the client sent."""
    counted = {"clinical_version": answer.document["clinical_version"]}
    return State({**counted, **values}, str(answer.document["etag"]))
