"""Facts that pages repeat from the code."""

import re

from trially.config import ROOT
from trially.http.browsers import ALLOWED_HEADERS, EXPOSED_HEADERS


def test_the_headers_of_browsers_are_those_of_the_code() -> None:
    page = (ROOT / "docs" / "connect-your-web-app.md").read_text("utf-8")
    for name, headers in (("request", ALLOWED_HEADERS), ("response, ", EXPOSED_HEADERS)):
        [row] = [line for line in page.splitlines() if line.startswith(f"| {name}")]
        assert re.findall(r"`([^`]+)`", row) == headers.split(", ")
