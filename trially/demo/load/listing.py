"""A list of patients, read by its cursor to the last page."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

from trially.demo.load.clients import Request
from trially.demo.load.findings import FindingKind
from trially.demo.load.ledger import Ledger
from trially.demo.load.sending import Sender, Sent
from trially.demo.load.traffic import Kind

PAGE = 200


class Listing:
    """One pass through a list. `query` has its filters."""

    def __init__(self, sender: Sender, query: str) -> None:
        self.items: list[dict[str, Any]] = []
        self.failed: Sent | None = None
        """The page that was not answered; the listing ended there."""

        self._sender, self._query = sender, query

    def pages(self) -> Iterator[None]:
        """Read the pages, one for each step."""
        cursor = ""
        while True:
            following = f"&{urlencode({'cursor': cursor})}" if cursor else ""
            path = f"/api/v1/patients?{self._query}&limit={PAGE}{following}"
            sent = self._sender.send(Kind.PAGE, Request("GET", path))
            if sent.answer.status != 200:
                self.failed = sent
                return
            self.items += sent.answer.document["data"]
            cursor = sent.answer.document["page"]["next"]
            yield
            if not cursor:
                return

    def read_all(self) -> None:
        """Read all pages."""
        for _ in self.pages():
            pass

    def by_mrn(self, ledger: Ledger) -> dict[str, dict[str, Any]]:
        """Return the items of the ledger's run by MRN, and note what must not be among them."""
        found: dict[str, dict[str, Any]] = {}
        ids = set()
        for item in self.items:
            key = str(item["mrn"])
            if not key.startswith(ledger.prefix):
                continue
            if item["id"] in ids or key in found:
                ledger.find(FindingKind.DOUBLED, f"The list has {key} more than once.")
            elif key not in ledger.entries:
                ledger.find(FindingKind.ELSEWHERE, f"The list has {key}, which it was never given.")
            ids.add(item["id"])
            found[key] = item
        return found
