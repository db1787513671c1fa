"""What a read may show of a record that a writer changes, according to the ledger."""

import pytest

from trially.demo.load.findings import FindingKind
from trially.demo.load.ledger import GONE, Entry, State


def item(version: int) -> dict[str, object]:
    return {"phone": f"+1 {version}", "etag": f'"{version}"', "sex": "female"}


def state(version: int) -> State:
    return State({"phone": f"+1 {version}"}, f'"{version}"')


def entry(*history: State, pending: State | None = None) -> Entry:
    return Entry("key", b"", history=list(history), pending=pending)


@pytest.mark.parametrize(
    ("record", "seen", "since", "amiss"),
    [
        (entry(state(1)), item(1), 1, None),
        (entry(state(1)), None, 1, FindingKind.LOST),
        (entry(state(1)), item(2), 1, FindingKind.WRONG),
        (entry(state(1), state(2)), item(1), 2, FindingKind.STALE),
        (entry(state(1), state(2)), item(1), 1, None),
        (entry(state(1), state(2)), item(2), 1, None),
        (entry(state(1), pending=state(2)), item(2), 1, None),
        (entry(state(1), pending=state(2)), item(1), 1, None),
        (entry(state(1), pending=GONE), None, 1, None),
        (entry(state(1), GONE), None, 1, None),
        (entry(state(1), GONE), item(1), 1, None),
        (entry(state(1), GONE), item(1), 2, FindingKind.STALE),
        (entry(pending=state(1)), None, 0, None),
        (entry(pending=state(1)), item(1), 0, None),
        (entry(pending=state(1)), item(2), 0, FindingKind.WRONG),
    ],
)
def test_a_read_shows_a_state_that_was_the_newest_during_it(record, seen, since, amiss):
    assert record.judge(seen, since=since) is amiss


def test_a_version_that_no_answer_has_named_is_compared_by_its_values():
    assert State({"phone": "+1 1"}).is_shown_by(item(1))
    assert not State({"phone": "+1 1"}, '"9"').is_shown_by(item(1))
