"""How the tests are shared out among processes: by file, and the attacks on the walls together.

What the attacks found is compared with docs/isolation.md at their end, by the process that made
them.
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
