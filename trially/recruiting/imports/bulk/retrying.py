"""Send requests again when a server is busy, and read its answers."""

import datetime as dt
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Any

import orjson

from trially.plain_text import to_plain
from trially.recruiting.imports.bulk.connections import CONNECTION_ERRORS, Answer
from trially.recruiting.imports.bulk.errors import BulkError

BUSY_STATUSES = frozenset({429, 500, 502, 503, 504})
MOST_FAILURES = 6
"""Requests in a row that may fail before the client gives up."""

SHORTEST_PAUSE_SECONDS = 0.5
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0
LONGEST_RETRY_AFTER_SECONDS = 3_600.0
LONGEST_DETAIL = 300


class Pauses:
    """Waits between requests, until the time of the whole export is used up."""

    def __init__(
        self,
        most_seconds: float,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ends_at = clock() + most_seconds
        self._most_seconds = most_seconds
        self._sleep = sleep
        self._clock = clock

    def wait(self, number: int, retry_after: str | None = None) -> None:
        """Wait as long as the server asks for, or else longer with each attempt, from 0."""
        seconds = _read_retry_after(retry_after)
        if seconds is None:
            seconds = min(FIRST_PAUSE_SECONDS * 2 ** min(number, 10), LONGEST_PAUSE_SECONDS)
        seconds = max(seconds, SHORTEST_PAUSE_SECONDS)
        if self._clock() + seconds > self._ends_at:
            raise BulkError(
                f"The export took longer than {self._most_seconds:g} seconds. Run the command with"
                " --resume to continue it."
            )
        self._sleep(seconds)


def send_again(send: Callable[[], Answer], pauses: Pauses) -> Answer:
    """Return the answer of a request, which is sent again while the server is busy or silent."""
    for attempt in range(MOST_FAILURES):
        is_last = attempt == MOST_FAILURES - 1
        try:
            answer = send()
        except CONNECTION_ERRORS as error:
            if is_last:
                raise BulkError(f"The server did not answer: {error}.") from error
            pauses.wait(attempt)
            continue
        if answer.status not in BUSY_STATUSES or is_last:
            return answer
        pauses.wait(attempt, answer.headers.get("retry-after"))
    raise AssertionError("The last attempt returns or raises.")


def read_json(answer: Answer) -> dict[str, Any]:
    """Return the JSON object of an answer, or raise `BulkError`."""
    try:
        document = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        document = None
    if not isinstance(document, dict):
        raise BulkError("The server's answer is not a JSON object.")
    return document


def describe_failure(answer: Answer) -> str | None:
    """Return what an answer says about its error: OAuth's, or that of an OperationOutcome."""
    try:
        document = read_json(answer)
    except BulkError:
        return None
    parts = [document.get("error"), document.get("error_description")]
    for issue in outcome_issues(document):
        parts += [issue.get("code"), issue.get("diagnostics")]
    text = "; ".join(part for part in parts if isinstance(part, str) and part)
    return to_plain(text)[:LONGEST_DETAIL] or None


def outcome_issues(document: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the issues of an OperationOutcome."""
    issues = document.get("issue")
    return [each for each in issues if isinstance(each, dict)] if isinstance(issues, list) else []


def _read_retry_after(value: str | None) -> float | None:
    if value is None:
        return None
    if value.strip().isdecimal():
        return min(float(value), LONGEST_RETRY_AFTER_SECONDS)
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, TypeError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.UTC)
    seconds = (moment - dt.datetime.now(dt.UTC)).total_seconds()
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER_SECONDS)
