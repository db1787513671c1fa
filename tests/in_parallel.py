"""Distribute the tests among pytest-xdist's processes: by file, but tests/isolation as one unit.

The last test of tests/isolation compares the results of all others there with docs/isolation.md,
so one process must run them all.
"""

from typing import Any

import pytest

TOGETHER = "tests/isolation/"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    from xdist.scheduler import LoadFileScheduling

    class ByFile(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return TOGETHER if nodeid.startswith(TOGETHER) else str(super()._split_scope(nodeid))

    return ByFile(config, log)
