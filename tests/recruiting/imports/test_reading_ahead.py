"""An import translates its next batch while PostgreSQL writes the present one."""

import sys
import threading
from collections.abc import Generator

import pytest

from trially.recruiting.imports.reading_ahead import read_ahead


def count(read: list[int], last: int, error: BaseException | None = None) -> Generator[int]:
    try:
        for number in range(last):
            read.append(number)
            yield number
        if error is not None:
            raise error
    finally:
        read.append(-1)


def test_items_come_in_order_and_at_most_one_is_ahead() -> None:
    read: list[int] = []

    for number in read_ahead(count(read, 50)):
        assert read[-1] <= number + 1

    assert read == [*range(50), -1]


def test_an_error_is_raised_after_the_items_before_it() -> None:
    items = read_ahead(count([], 3, KeyError("lost")))

    assert [next(items), next(items), next(items)] == [0, 1, 2]
    with pytest.raises(KeyError, match="lost"):
        next(items)


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_caller_that_stops_leaves_no_thread(error: type[BaseException]) -> None:
    read: list[int] = []
    before = threading.active_count()

    def stop() -> None:
        for _ in read_ahead(count(read, 1_000_000)):
            raise error

    with pytest.raises(error):
        stop()

    assert threading.active_count() == before
    assert read[-1] == -1
    assert len(read) < 10


def test_threads_take_turns_more_often_until_the_last_reader_ends() -> None:
    usual = sys.getswitchinterval()
    intervals = []

    first, second = read_ahead(count([], 3)), read_ahead(count([], 3, KeyError("lost")))
    for reader in (first, second):
        next(reader)
        intervals.append(sys.getswitchinterval())
    assert list(first) == [1, 2]
    intervals.append(sys.getswitchinterval())
    with pytest.raises(KeyError):
        list(second)

    assert all(interval < usual for interval in intervals)
    assert sys.getswitchinterval() == usual
