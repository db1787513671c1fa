"""The report for a patient as a page to print."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import IO
from uuid import UUID

from jinja2 import Environment, PackageLoader

from trially.database.rows import Item

HTML_TYPE = "text/html"

_templates = Environment(
    loader=PackageLoader("trially.auditing"), autoescape=True, trim_blocks=True, lstrip_blocks=True
)
_ROWS_BUFFERED = 50


@dataclass(frozen=True)
class Report:
    """What the page says above its table."""

    tenant: str
    patient_id: UUID
    since: dt.datetime | None
    until: dt.datetime | None

    def write_html(self, content: IO[bytes], rows: Iterable[Item]) -> None:
        """Write the page, a few rows at a time."""
        page = _templates.get_template("disclosures.html").stream(
            report=self, rows=rows, made_at=dt.datetime.now(dt.UTC)
        )
        page.enable_buffering(_ROWS_BUFFERED)
        page.dump(content, encoding="utf-8")
