"""docs/troubleshooting.md explains every code of a problem, and every reason of a refused token."""

import ast
import re
from collections.abc import Iterator

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
        assert cause, code
        assert remedy, code


def test_every_reason_of_a_refused_token_is_explained() -> None:
    named = {name for row in ROWS if len(row) == 3 for name in re.findall(r"`(\w+)`", row[0])}
    assert named >= REASONS


OTHERS_MESSAGES = {
    "No 'Access-Control-Allow-Origin' header is present",
    "Request header field … is not allowed",
    "Error: No such command 'tenants'",
    "Could not import 'wsgi'",
    "flask: command not found",
}
"""Messages of browsers, of the shell and of Flask."""


def test_every_quoted_message_is_one_that_the_code_has() -> None:
    texts = "\n".join(_texts_of_the_code())
    for message in _quoted_messages():
        parts = [re.escape(part) for part in message.split("…")]
        assert re.search("[^\n]*?".join(parts), texts), f"The code has no message {message!r}."


def _quoted_messages() -> Iterator[str]:
    """Yield each message of the sections about the start and about commands."""
    sections = PAGE[PAGE.index("## The start") : PAGE.index("## Sign-in during")]
    for line in sections.splitlines():
        if line.startswith("| `"):
            for message in re.findall(r"`([^`]+)`", line.split("|")[1]):
                if " " in message and message not in OTHERS_MESSAGES:
                    yield message.strip("… ")


def _texts_of_the_code() -> Iterator[str]:
    """Yield each text of the code; a value in a text is `…`."""
    yield (ROOT / "Makefile").read_text("utf-8")
    programs = [ROOT / "wsgi.py", *(ROOT / "tools").glob("*.py"), *(ROOT / "trially").rglob("*.py")]
    for path in programs:
        nodes = list(ast.walk(ast.parse(path.read_text("utf-8"))))
        docstrings = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
        for node in nodes:
            if id(node) in docstrings:
                continue
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value.replace("\n", " ")
            elif isinstance(node, ast.JoinedStr):
                yield "".join(
                    str(part.value) if isinstance(part, ast.Constant) else "…"
                    for part in node.values
                )
