"""Send requests as a robust client does: repeat what failed until there is an answer."""

import time
from dataclasses import dataclass

from trially.demo.load.clients import Answer, Client, Request
from trially.demo.load.findings import FindingKind
from trially.demo.load.ledger import Ledger
from trially.demo.load.traffic import Kind, Traffic

TIMEOUT_SECONDS = 30.0
GIVES_UP_SECONDS = 60.0
"""After this time a request that failed is not repeated. Its outcome stays unknown."""

CONNECTING_SECONDS = 0.2
"""Before a request is repeated whose connection broke."""

LONGEST_PAUSE_SECONDS = 2.0
"""The longest time for which a `Retry-After` is followed."""

READ_AFTER = "X-Read-After"


@dataclass(frozen=True)
class Sent:
    """The last answer to a request, and how many times it was sent."""

    answer: Answer
    attempts: int

    @property
    def was_repeated(self) -> bool:
        """Return whether a former attempt failed, and may have had its effect all the same."""
        return self.attempts > 1


class Sender:
    """Sends the requests of one thread of one tenant, and notes how long each took."""

    def __init__(
        self, client: Client, ledger: Ledger, traffic: Traffic, patience: float = GIVES_UP_SECONDS
    ) -> None:
        self.ledger = ledger
        self._client, self._traffic, self._patience = client, traffic, patience

    def send(self, kind: Kind, request: Request) -> Sent:
        """Send a request until it is answered for good, or too long.

        The requests of a tenant carry the newest `X-Read-After` that the tenant was given, so that
        a read replica shows each acknowledged write.
        """
        begun, attempts = time.monotonic(), 0
        while True:
            attempts += 1
            answer = self._client.send(self._following_writes(request))
            if not answer.is_final:
                self._traffic.note_error(self.ledger.tenant, answer)
            if answer.is_final or time.monotonic() - begun > self._patience:
                break
            time.sleep(_pause_after(answer))
        self._traffic.note_wait(self.ledger.tenant, kind, begun, attempts)
        self.ledger.read_after = answer.headers.get(READ_AFTER.lower(), self.ledger.read_after)
        return Sent(answer, attempts)

    def note_failure(self, sent: Sent, what: str) -> None:
        """Note that a request was refused or had no answer. `what` names it."""
        answer = sent.answer
        amiss = FindingKind.REFUSED if answer.is_final else FindingKind.UNANSWERED
        self.ledger.find(amiss, f"{answer.status or 'No answer'} {answer.cause} to {what}.")

    def _following_writes(self, request: Request) -> Request:
        if self.ledger.read_after is None:
            return request
        headers = {**request.headers, READ_AFTER: self.ledger.read_after}
        return Request(request.method, request.path, request.body, headers)

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


def _pause_after(answer: Answer) -> float:
    advised = answer.headers.get("retry-after", "")
    if advised.isdecimal():
        return min(float(advised), LONGEST_PAUSE_SECONDS)
    return CONNECTING_SECONDS
