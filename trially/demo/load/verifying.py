"""Read back what all tenants hold after a load, and compare it with their ledgers."""

from collections.abc import Sequence
from typing import Any

from trially.demo.load.clients import Request
from trially.demo.load.fictions import changed_phone
from trially.demo.load.findings import FindingKind
from trially.demo.load.importing import SOURCE
from trially.demo.load.ledger import Ledger
from trially.demo.load.listing import Listing
from trially.demo.load.sending import Sender
from trially.demo.load.traffic import Kind

TRIED_ELSEWHERE = 200
"""Records of a tenant that every other tenant of the load tries to read by their ids."""


def compare_records(sender: Sender) -> int:
    """Compare all records of a tenant with its ledger, and return how many there are."""
    ledger = sender.ledger
    listing = _read(sender, "source=manual&record_status=all")
    if listing is None:
        return 0
    seen = listing.by_mrn(ledger)
    for key, entry in ledger.entries.items():
        amiss = entry.judge(seen.get(key), since=len(entry.history))
        if amiss is FindingKind.STALE:  # it will not become newer: the last write is lost
            ledger.find(FindingKind.LOST, f"The last acknowledged write of {key} is lost.")
        elif amiss is not None:
            ledger.find(amiss, f"{key} is not as its last write left it.")
    return len(ledger.entries)


def compare_imported(sender: Sender, patients: int) -> int:
    """Compare the imported patients with the last import, and return how many there are."""
    ledger = sender.ledger
    if not ledger.imported:
        return 0
    listing = _read(sender, f"source={SOURCE}&record_status=all")
    if listing is None:
        return 0
    versions = [ledger.imported[-1], *([ledger.importing] if ledger.importing else [])]
    items: dict[str, dict[str, Any]] = {}
    for item in listing.items:
        if item["source_id"] in items:
            what = f"The imported patient {item['source_id']} is there twice."
            ledger.find(FindingKind.DOUBLED, what)
        items[item["source_id"]] = item
    for number in range(patients):
        phones = {changed_phone(f"imported-{number}", version) for version in versions}
        if items.get(str(number), {}).get("phone") not in phones:
            what = f"The imported patient {number} is not as import {versions[0]} left it."
            ledger.find(FindingKind.LOST, what)
    return patients


def try_elsewhere(sender: Sender, others: Sequence[Ledger]) -> None:
    """Try to read records of other tenants by their ids. Each must be answered with 404."""
    for other in others:
        alive = [entry for entry in other.entries.values() if entry.is_alive]
        for entry in alive[:: max(1, len(alive) // TRIED_ELSEWHERE)]:
            request = Request("GET", f"/api/v1/patients/{entry.id}")
            answer = sender.send(Kind.READ, request).answer
            if answer.is_served:
                what = f"The tenant {sender.ledger.tenant} can read {entry.key}."
                other.find(FindingKind.ELSEWHERE, what)
            elif not answer.is_final:
                what = f"No answer to a read of another tenant's record: {answer.cause}."
                sender.ledger.find(FindingKind.UNANSWERED, what)
                return
            elif answer.status != 404:
                what = f"{answer.status} {answer.cause} to a read of another tenant's record."
                sender.ledger.find(FindingKind.REFUSED, what)


def _read(sender: Sender, query: str) -> Listing | None:
    listing = Listing(sender, query)
    listing.read_all()
    if listing.failed is None:
        return listing
    answer = listing.failed.answer
    what = f"The records could not be read back: {answer.status or ''} {answer.cause}.".strip()
    sender.ledger.find(FindingKind.UNANSWERED, what)
    return None
