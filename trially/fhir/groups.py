"""Write the criteria of a version of a protocol as a Group, as far as FHIR can say them."""

from collections.abc import Iterator, Sequence

from trially.exports.fhir.elements import Json, Row, date_time, present
from trially.fhir.characteristics import UnsayableError, say
from trially.fhir.definitions import LEFT_OUT, id_of_version, urn_of
from trially.recruiting.criteria.language.criteria import Side, parse_expression
from trially.recruiting.criteria.language.problems import CriteriaError
from trially.recruiting.protocols.versions.model import Evaluation, VersionStatus


def write_group(study: Row, version: Row, criteria: Sequence[Row]) -> Json:
    """Return the Group of the patients whom a version of a protocol selects.

    A criterion that the Group does not say is an extension with its statement and the reason, so
    the Group then has more members than the criteria allow.
    """
    characteristics: list[Json] = []
    left_out: list[Json] = []
    for criterion in criteria:
        try:
            characteristics += _said(criterion)
        except UnsayableError as error:
            left_out.append(_left_out(criterion, str(error)))
    value_sets = list(_contain(characteristics))
    return present(
        {
            "resourceType": "Group",
            "id": id_of_version(study["id"], version["number"]),
            "meta": present({"lastUpdated": date_time(version["updated_at"], "instant")}),
            "contained": value_sets,
            "extension": left_out,
            "identifier": [{"system": "urn:ietf:rfc:3986", "value": urn_of(version["id"])}],
            "active": version["status"] == VersionStatus.ACTIVE,
            "type": "person",
            "actual": False,
            "name": f"{study['title']}, version {version['number']}",
            "characteristic": characteristics,
        }
    )


def _said(criterion: Row) -> list[Json]:
    if criterion["evaluation"] == Evaluation.MANUAL:
        raise UnsayableError("what a person decides")
    if criterion["expression"] is None:
        raise UnsayableError("a statement without an expression")
    if not criterion["is_hard"]:
        raise UnsayableError("a criterion that only orders patients")
    side = Side(criterion["kind"])
    try:
        tree = parse_expression(criterion["expression"], side)
    except CriteriaError:
        raise UnsayableError("an expression that breaks a rule") from None
    return say(tree, excludes=side is Side.EXCLUSION)


def _left_out(criterion: Row, reason: str) -> Json:
    parts: list[Json] = [
        {"url": "key", "valueId": str(criterion["key"])},
        {"url": "kind", "valueCode": str(criterion["kind"])},
        {"url": "statement", "valueString": criterion["statement"]},
        {"url": "reason", "valueString": f"A Group cannot say {reason}."},
    ]
    return {"url": LEFT_OUT, "extension": [each for each in parts if "" not in each.values()]}


def _contain(characteristics: Sequence[Json]) -> Iterator[Json]:
    """Yield the ValueSets that characteristics contain, and let these refer to them."""
    number = 0
    for characteristic in characteristics:
        includes = characteristic.pop("codes", None)
        if includes is None:
            continue
        number += 1
        characteristic["valueReference"] = {"reference": f"#codes-{number}", "type": "ValueSet"}
        yield {
            "resourceType": "ValueSet",
            "id": f"codes-{number}",
            "status": "active",
            "compose": {"include": includes},
        }
