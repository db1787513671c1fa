"""The protocol of a move survives every interleaving, and the model notices each known mistake.

The histories that it finds are those of decision 0048. Workers hold epochs that may be stale at any
time; movers are killed, lose connections without noticing, and wake up after others have gone on.
"""

import pytest
from move_model import SUSPENDING, FoundViolation, Model
from move_state import STEPS, Operator, Protocol, State, Worker

ONE_WORKER = (Worker(),)
STATES_AT_LEAST = 1_000
"""Fewer states would mean that some actor never acts."""


def start(*, is_suspended_meanwhile: bool = False, faults: int = 1) -> State:
    operator = SUSPENDING if is_suspended_meanwhile else Operator()
    return State(workers=ONE_WORKER, operator=operator, faults_left=faults)


@pytest.mark.parametrize(
    "model",
    [
        pytest.param(Model(start=start(faults=2)), id="two faults"),
        pytest.param(Model(start=State(), plans=("resume",)), id="two workers"),
        pytest.param(Model(start=start(is_suspended_meanwhile=True)), id="suspended meanwhile"),
        pytest.param(Model(start=start(), plans=("back",)), id="moved back"),
    ],
)
def test_a_move_ends_with_every_write_on_the_one_writable_side(model):
    assert model.explore() > STATES_AT_LEAST


def test_without_faults_requests_wait_and_then_succeed():
    model = Model(start=State(faults_left=0, starts_left=0), refuses_nobody=True)
    assert model.explore() > STATES_AT_LEAST


def moved_before(*steps: str, other: str) -> tuple[str, ...]:
    """Return the steps of a move, some of them moved directly before another one."""
    rest = [step for step in STEPS if step not in steps]
    at = rest.index(other)
    return (*rest[:at], *steps, *rest[at:])


MISORDERED = {
    "switch before fence": moved_before("switch", other="fence"),
    "fence before drain": moved_before("fence", other="drain"),
    "switch before drain": moved_before("fence", "open", "switch", other="drain"),
    "unlock before fence": moved_before("unlock", other="fence"),
    "drain before lock": moved_before("drain", other="lock"),
    "removal before switch": moved_before("remove_source", other="switch"),
    "switch before open": moved_before("switch", other="open"),
}


@pytest.mark.parametrize("steps", MISORDERED.values(), ids=MISORDERED)
def test_the_model_notices_steps_in_a_wrong_order(steps):
    with pytest.raises(FoundViolation):
        Model(Protocol(steps), start()).explore()


def test_the_model_notices_that_requests_are_let_go_too_early():
    steps = moved_before("unlock", other="switch")
    model = Model(Protocol(steps), State(faults_left=0, starts_left=0), refuses_nobody=True)
    with pytest.raises(FoundViolation, match="a request is refused"):
        model.explore()


@pytest.mark.parametrize(
    "mistake",
    [
        *("guard_locks_first", "fence_needs_lock", "switch_is_durable"),
        *("has_copy_lock", "asks_under_copy_lock", "has_attempts"),
    ],
)
def test_the_model_notices_a_missing_part(mistake):
    with pytest.raises(FoundViolation):
        Model(Protocol(**{mistake: False}), start()).explore()


@pytest.mark.parametrize(
    ("mistake", "says"),
    [
        ("fence_is_marked", "before the target has every commit"),
        ("switch_locks_row", "rows of the active placement are removed"),
        ("open_keeps_suspension", "the catalog and the guard disagree"),
    ],
)
def test_the_model_notices_what_a_suspension_meets(mistake, says):
    with pytest.raises(FoundViolation, match=says):
        Model(Protocol(**{mistake: False}), start(is_suspended_meanwhile=True)).explore()


@pytest.mark.parametrize("mistake", ["has_copy_lock", "asks_under_copy_lock"])
def test_the_model_notices_a_removal_that_wakes_after_a_move_back(mistake):
    with pytest.raises(FoundViolation, match="rows of the active placement are removed"):
        Model(Protocol(**{mistake: False}), start(), plans=("back",)).explore()


def test_the_model_notices_an_undo_that_trusts_no_record():
    protocol = Protocol(undo_trusts_no_record=True, undo_reopens_at_old_epoch=True)
    with pytest.raises(FoundViolation, match="missing"):
        Model(protocol, start()).explore()


def test_the_model_notices_an_undo_that_reopens_the_source_at_its_old_epoch():
    protocol = Protocol(undo_reopens_at_old_epoch=True)
    model = Model(protocol, start(is_suspended_meanwhile=True, faults=2), plans=("undo",))
    with pytest.raises(FoundViolation, match="after the tenant was suspended"):
        model.explore()


def test_the_model_notices_an_undo_that_was_killed_between_guard_and_catalog():
    model = Model(Protocol(undo_reopens_only_a_fence=True), start(faults=2), plans=("undo",))
    with pytest.raises(FoundViolation, match="no side is writable"):
        model.explore()


def test_the_model_notices_an_undo_that_does_not_wait_for_the_source():
    model = Model(Protocol(undo_locks_source=False), start(faults=2), plans=("undo",))
    with pytest.raises(FoundViolation, match="no side is writable"):
        model.explore()
