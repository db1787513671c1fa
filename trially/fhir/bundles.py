"""Write Bundles of search results."""

from collections.abc import Sequence

from trially.exports.fhir.elements import Json, present


def write_searchset(
    entries: Sequence[Json], *, total: int | None = None, links: Sequence[tuple[str, str]] = ()
) -> Json:
    """Return a Bundle of type `searchset`. `links` are relations with URLs."""
    return present(
        {
            "resourceType": "Bundle",
            "type": "searchset",
            "total": total,
            "link": [{"relation": relation, "url": url} for relation, url in links],
            "entry": list(entries),
        }
    )


def write_match(resource: Json, url: str) -> Json:
    """Return the entry of a resource that was searched for."""
    return {"fullUrl": url, "resource": resource, "search": {"mode": "match"}}


def write_outcome(issues: Sequence[tuple[str, str, str]]) -> Json:
    """Return the entry of an OperationOutcome. Issues have a severity, a code and a sentence."""
    written = [
        {"severity": severity, "code": code, "diagnostics": text} for severity, code, text in issues
    ]
    resource = {"resourceType": "OperationOutcome", "issue": written}
    return {"resource": resource, "search": {"mode": "outcome"}}
