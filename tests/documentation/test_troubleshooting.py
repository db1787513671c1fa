"""docs/troubleshooting.md explains every code of a problem, and every reason of a refused token."""

import re

from trially.auth.token_errors import REASONS
from trially.config import ROOT
from trially.http.codes import Code

PAGE = (ROOT / "docs" / "troubleshooting.md").read_text("utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.splitlines()
    if line.startswith("| `")
]


def test_every_code_has_a_status_a_cause_and_a_remedy() -> None:
    explained = {row[0].strip("`"): row[1:] for row in ROWS if len(row) == 4}
    assert explained.keys() == {str(code) for code in Code}
    for code, (status, cause, remedy) in explained.items():
        assert re.match(r"[45]\d\d\b", status), code
        assert cause and remedy, code


def test_every_reason_of_a_refused_token_is_explained() -> None:
    named = {name for row in ROWS if len(row) == 3 for name in re.findall(r"`(\w+)`", row[0])}
    assert REASONS <= named
