from trially.http.retry_after import LONGEST_SECONDS, QUIET_SECONDS, RetryAdvice


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_wait_grows_while_a_cause_lasts_and_begins_anew_after_a_quiet_time():
    clock = Clock()
    advice = RetryAdvice(clock)
    assert advice.seconds("away") in {1, 2}
    for clock.now in range(10, 121, 10):
        last = advice.seconds("away")
    assert LONGEST_SECONDS <= last <= 1.5 * LONGEST_SECONDS
    clock.now += QUIET_SECONDS
    assert advice.seconds("away") in {1, 2}


def test_the_wait_differs_between_clients_so_that_they_do_not_return_at_once():
    clock = Clock()
    advice = RetryAdvice(clock)
    advice.seconds("away")
    clock.now = 50.0
    assert len({advice.seconds("away") for _ in range(100)}) > 3


def test_causes_do_not_lengthen_each_others_waits():
    clock = Clock()
    advice = RetryAdvice(clock)
    advice.seconds("away")
    clock.now = 50.0
    assert advice.seconds("full") in {1, 2}
