"""The codes of problems: documented, and none without a use."""

from tools.problem_codes import describe_codes
from trially.config import ROOT
from trially.http.codes import Code


def test_every_code_is_documented() -> None:
    written = (ROOT / "docs" / "problems.md").read_text()

    assert written == describe_codes(), "docs/problems.md is out of date. Run `make docs`."
    for code in Code:
        assert f"| `{code}` | " in written, f"Add a string below {code!r} in http/codes.py."


def test_every_code_is_used() -> None:
    sources = "".join(path.read_text() for path in (ROOT / "trially").rglob("*.py"))
    # The server imports nothing of trially.
    of_server = (ROOT / "serving" / "problems.py").read_text()

    for code in Code:
        assert f"Code.{code.name}" in sources or f'"{code}"' in of_server, code
