"""A job that waits for others lets another thread work, and no more threads work than may."""

import threading
from collections.abc import Callable

from serving.threads import Threads

Job = Callable[[], None]
MOST_SECONDS = 20


def run(job: Job) -> None:
    job()


def test_another_thread_works_while_a_job_waits() -> None:
    threads: Threads[Job] = Threads("test", 1, run)
    is_done, has_ended = threading.Event(), threading.Event()

    def wait() -> None:
        with threads.waiting():
            assert is_done.wait(MOST_SECONDS)
        has_ended.set()

    threads.submit(wait)
    threads.submit(is_done.set)

    assert has_ended.wait(MOST_SECONDS)


def test_no_more_jobs_work_at_once_than_may() -> None:
    threads: Threads[Job] = Threads("test", 2, run)
    lock, has_ended = threading.Lock(), threading.Event()
    working, most, ended = 0, 0, 0

    def work() -> None:
        nonlocal working, most, ended
        with lock:
            working += 1
            most = max(most, working)
        with lock:
            working -= 1
            ended += 1
            if ended == 40:
                has_ended.set()

    for _ in range(40):
        threads.submit(work)

    assert has_ended.wait(MOST_SECONDS)
    assert 1 <= most <= 2
