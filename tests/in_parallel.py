"""Distribute the tests among pytest-xdist's processes: by file, but tests/isolation as one unit.

The last test of tests/isolation compares the results of all others there with docs/isolation.md,
so one process must run them all.

What takes long begins first. Otherwise one process would still run it when all others have ended.
"""

from collections import Counter
from typing import Any

import pytest

TOGETHER = "tests/isolation/"

LONG = (
    TOGETHER,
    # They copy or search all databases of their process's server, which has few of them at first.
    "tests/tenancy/recovery/",
    "tests/tenancy/erasing/",
    "tests/web/",
    "tests/recruiting/drafting/test_published_figures.py",
    "tests/documentation/test_console_blocks.py",
    "tests/doctor/test_holes.py",
    "tests/proving/test_every_table.py",
    "tests/recruiting/imports/test_golden_counts.py",
    "tests/recruiting/imports/test_real_files.py",
    "tests/recruiting/real_patients/",
    "tests/recruiting/matching/test_three_evaluators.py",
    "tests/tenancy/test_dropping_databases.py",
    "tests/tenancy/moving/test_moving_tenants.py",
    "tests/faults/",
    "tests/high_availability/",
    "tests/exports/test_synthea_round_trip.py",
    "tests/demo/test_serving.py",
    "tests/recruiting/imports/test_running.py",
    "tests/fuzz/",
    "tests/auth/test_issuer_outages.py",
    "tests/tenancy/test_writing_migrations.py",
)
"""The files and folders that take longest. All others begin in the order of their tests' number."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    from xdist.scheduler import LoadFileScheduling

    class ByFile(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return TOGETHER if nodeid.startswith(TOGETHER) else str(super()._split_scope(nodeid))

    config.option.loadscopereorder = False  # Files begin in the order of the collection.
    return ByFile(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put what takes long first, in the processes of pytest-xdist.

    pytest-xdist runs one test of each id. Schemathesis gives all operations of a document one id,
    and different names.
    """
    numbers = Counter(item.nodeid for item in items)
    for item in items:
        if numbers[item.nodeid] > 1 and item.parent is not None:
            item._id = item.parent.id.child(item.name)  # pytest has no public way
    if len({item.nodeid for item in items}) < len(items):
        raise pytest.UsageError("Some tests have the same id. Only one of them would run.")
    if not hasattr(config, "workerinput"):
        return
    sizes = Counter(item.path for item in items)

    def place(item: pytest.Item) -> tuple[int, int]:
        ranks = (rank for rank, start in enumerate(LONG) if item.nodeid.startswith(start))
        return next(ranks, len(LONG)), 0 if item.nodeid.startswith(LONG) else -sizes[item.path]

    items.sort(key=place)
