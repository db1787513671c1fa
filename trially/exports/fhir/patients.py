"""Write a Patient."""

import datetime as dt
from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

from trially.exports.fhir.elements import (
    Json,
    Row,
    date_time,
    meta,
    period,
    present,
    reference,
    valid_date,
)
from trially.geolocation import GEOLOCATION, MOST_DEGREES
from trially.recruiting.sources.model import MANUAL_SOURCE

_US_CORE = "http://hl7.org/fhir/us/core/StructureDefinition"
_TYPES = "http://terminology.hl7.org/CodeSystem/v2-0203"
_LAST_RANK_OF_RECORD_NUMBERS = 3
_OFFSETS = (0, -720, 720)


def write_patient(patient: Row, names: Sequence[Row], identifiers: Sequence[Row]) -> Json:
    """Return a Patient with all its names and identifiers."""
    return present(
        {
            "resourceType": "Patient",
            "id": patient["source_id"],
            "meta": meta(patient),
            "extension": list(_extensions(patient)),
            "identifier": _identifiers(patient, identifiers),
            "active": patient["active"],
            "name": _names(patient, names),
            "telecom": _telecom(patient),
            "gender": patient["sex"],
            "birthDate": _birth_date(patient),
            **_death(patient),
            "address": _addresses(patient),
            "communication": _languages(patient),
            "link": _links(patient),
        }
    )


def _extensions(patient: Row) -> list[Json]:
    groups: list[Json] = [
        {
            "url": f"{_US_CORE}/us-core-{name}",
            "extension": [{"url": "text", "valueString": patient[name]}],
        }
        for name in ("race", "ethnicity")
        if patient[name]
    ]
    identity = patient["gender_identity"]
    if identity:
        url = f"{_US_CORE}/us-core-genderIdentity"
        groups.append({"url": url, "valueCodeableConcept": {"text": identity}})
    return groups


def _identifiers(patient: Row, identifiers: Sequence[Row]) -> list[Json]:
    written = [_identifier(each) for each in identifiers]
    shown = (patient["mrn_system"], patient["mrn"])
    is_listed = any((each["system"], each["value"]) == shown for each in identifiers)
    is_own_id = patient["mrn"] == patient["source_id"] and patient["source"] != MANUAL_SOURCE
    if not is_listed and not is_own_id:
        written.insert(0, _mrn(patient))
    return written


def _mrn(patient: Row) -> Json:
    return present(
        {
            "use": "official",
            "type": {"coding": [{"system": _TYPES, "code": "MR"}]},
            "system": patient["mrn_system"],
            "value": patient["mrn"],
        }
    )


def _identifier(row: Row) -> Json:
    kind: Json | None = None
    if row["type"]:
        kind = {"coding": [{"system": _TYPES, "code": row["type"]}]}
    elif row["mrn_rank"] is not None and row["mrn_rank"] <= _LAST_RANK_OF_RECORD_NUMBERS:
        kind = {"text": "MRN"}
    return present(
        {
            "use": row["use"],
            "type": kind,
            "system": row["system"],
            "value": row["value"],
            "period": period(row["period_start"], row["period_end"]),
            "assigner": {"display": row["assigner"]} if row["assigner"] else None,
        }
    )


def _names(patient: Row, names: Sequence[Row]) -> list[Json]:
    if not names:
        return [each] if (each := _name(patient)) else []
    return [
        present(
            {
                **_name(row),
                "use": row["use"],
                "text": row["full_name"],
                "period": period(row["period_start"], row["period_end"]),
            }
        )
        for row in names
    ]


def _name(row: Row) -> Json:
    given = row["given_name"]
    return present({"family": row["family_name"], "given": [given] if given else None})


def _telecom(patient: Row) -> list[Json]:
    return [
        {"system": system, "value": patient[system]}
        for system in ("phone", "email")
        if patient[system]
    ]


def _birth_date(patient: Row) -> str | None:
    impossible = (patient["impossible_dates"] or {}).get("birth_date")
    if impossible is not None:
        return valid_date(impossible)
    born: dt.date | None = patient["birth_date"]
    if born is None:
        return None
    length = {"year": 4, "month": 7}.get(patient["birth_date_precision"], 10)
    return born.isoformat()[:length]


def _death(patient: Row) -> Json:
    impossible = (patient["impossible_dates"] or {}).get("deceased_at")
    if impossible is not None:
        return {"deceasedDateTime": valid_date(impossible)}
    at: dt.datetime | None = patient["deceased_at"]
    if at is None:
        return {"deceasedBoolean": True if patient["deceased"] else None}
    offset = _offset_of_death(at, patient)
    return {"deceasedDateTime": date_time(at, patient["deceased_precision"], offset)}


def _offset_of_death(at: dt.datetime, patient: Row) -> int:
    """Return an offset in which the death is on the day that its source gave."""
    if patient["deceased_zone"]:
        zoned = at.astimezone(ZoneInfo(patient["deceased_zone"]))
        return int((zoned.utcoffset() or dt.timedelta()).total_seconds() // 60)
    utc = at.astimezone(dt.UTC)
    for minutes in _OFFSETS:
        if (utc + dt.timedelta(minutes=minutes)).date() == patient["deceased_on"]:
            return minutes
    return 0


def _addresses(patient: Row) -> list[Json]:
    address: dict[str, Any] = patient["address"] or {}
    line = address.get("line")
    written = present(
        {
            "line": [line] if line else None,
            "city": address.get("city"),
            "state": address.get("state"),
            "postalCode": address.get("postal_code"),
            "country": address.get("country"),
            "extension": _place(address),
        }
    )
    return [{"use": "home", **written}] if written else []


def _place(address: dict[str, Any]) -> list[Json] | None:
    """Return FHIR's extension for where an address is."""
    if address.get("latitude") is None:
        return None
    parts = [{"url": name, "valueDecimal": address[name]} for name in MOST_DEGREES]
    return [{"url": GEOLOCATION, "extension": parts}]


def _languages(patient: Row) -> list[Json]:
    if not patient["language"]:
        return []
    coded = {"system": "urn:ietf:bcp:47", "code": patient["language"]}
    return [{"language": {"coding": [coded]}, "preferred": True}]


def _links(patient: Row) -> list[Json]:
    links = [
        {"type": "replaces", "other": reference("Patient", source_id, base_url)}
        for base_url, source_id in patient["replaces"] or ()
    ]
    if patient["link_source_id"]:
        other = reference("Patient", patient["link_source_id"], patient["link_base_url"] or "")
        links.append({"type": "replaced-by", "other": other})
    return links
