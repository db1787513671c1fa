"""A reader: reads, lists and searches records, and compares each answer with the ledger."""

import json
from collections.abc import Iterator
from typing import Any

from trially.demo.load.clients import Request
from trially.demo.load.findings import FindingKind
from trially.demo.load.ledger import Entry
from trially.demo.load.listing import Listing
from trially.demo.load.sending import Sender
from trially.demo.load.traffic import Kind

READS, SEARCHES = 20, 4
"""Before the reader lists all records."""


class Reader:
    """Reads the records of one tenant while writers change them."""

    def __init__(self, sender: Sender) -> None:
        self._sender, self._ledger = sender, sender.ledger

    def steps(self) -> Iterator[None]:
        """Read for ever, one request for each step."""
        while True:
            for _ in range(READS):
                if entry := self._ledger.pick():
                    self._read(entry)
                yield
            for _ in range(SEARCHES):
                if entry := self._ledger.pick():
                    self._search(entry)
                yield
            yield from self._list()

    def _read(self, entry: Entry) -> None:
        since = len(entry.history)
        sent = self._sender.send(Kind.READ, Request("GET", f"/api/v1/patients/{entry.id}"))
        answer = sent.answer
        if answer.status in (200, 404):
            self._judge(entry, answer.document if answer.status == 200 else None, since)
        else:
            self._sender.note_failure(sent, f"a read of {entry.key}")

    def _search(self, entry: Entry) -> None:
        since = len(entry.history)
        body = json.dumps({"mrn": entry.key}).encode()
        headers = {"Content-Type": "application/json"}
        request = Request("POST", "/api/v1/patients/search", body, headers)
        sent = self._sender.send(Kind.SEARCH, request)
        if sent.answer.status != 200:
            self._sender.note_failure(sent, f"a search for {entry.key}")
            return
        found = [item for item in sent.answer.document["data"] if item["mrn"] == entry.key]
        if len(found) > 1:
            what = f"A search found {entry.key} {len(found)} times."
            self._ledger.find(FindingKind.DOUBLED, what)
        self._judge(entry, found[0] if found else None, since)

    def _list(self) -> Iterator[None]:
        """Read all pages of the list, and compare them with the ledger as of the first page."""
        listing = Listing(self._sender, "source=manual")
        since = {
            key: len(entry.history)
            for key, entry in list(self._ledger.entries.items())
            if entry.is_alive
        }
        for _ in listing.pages():
            yield
        if listing.failed is not None:
            self._sender.note_failure(listing.failed, "a page of the list")
            return
        seen = listing.by_mrn(self._ledger)
        for key, number in since.items():
            self._judge(self._ledger.entries[key], seen.get(key), number)

    def _judge(self, entry: Entry, seen: dict[str, Any] | None, since: int) -> None:
        if amiss := entry.judge(seen, since=since):
            self._ledger.find(amiss, f"A read of {entry.key} did not show its acknowledged state.")
