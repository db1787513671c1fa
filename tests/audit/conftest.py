import orjson
import pytest
from operator_records import records
from scratch_logs import notes, scratch

__all__ = ["notes", "records", "scratch"]


@pytest.fixture
def audit(run_command):
    """Run a command of the audit log, and return its exit status and output as JSON."""

    def run(*words):
        result = run_command("audit", *words, "--json")
        return result.exit_code, orjson.loads(result.stdout or result.stderr)

    return run
