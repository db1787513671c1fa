"""Translate data types of HL7 v2 to data types of FHIR."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from trially.recruiting.column_mappings.code_systems import find_code_system
from trially.recruiting.imports.formats.hl7v2.messages import Repetition, part

Json = dict[str, Any]

V2_TABLES = "http://terminology.hl7.org/CodeSystem/v2-"
_IDENTIFIER_TYPES = f"{V2_TABLES}0203"
_DAY = re.compile(r"(\d{4})(\d\d)(\d\d)")
_NAME_USES = {
    "L": "official",
    "D": "usual",
    "C": "usual",
    "M": "maiden",
    "B": "maiden",
    "N": "nickname",
    "A": "nickname",
    "BAD": "old",
    "S": "anonymous",
}
_ADDRESS_USES = {"H": "home", "P": "home", "L": "home", "B": "work", "O": "work", "C": "temp"}
_ADDRESS_USES |= {"BA": "old", "M": "home"}
_EQUIPMENT = {"CP": "phone", "PH": "phone", "SAT": "phone", "FX": "fax", "BP": "pager"}
_PHONE_USES = {"PRN": "home", "ORN": "home", "VHN": "home", "WPN": "work"}


def system_of(authority: Sequence[str]) -> str | None:
    """Return the system of an assigning authority (HD): its universal id, or else its name."""
    name, universal, kind = (*authority, "", "", "")[:3]
    universal, kind = universal.strip(), kind.strip().upper()
    if universal:
        if kind == "ISO":
            return f"urn:oid:{universal}"
        if kind in ("UUID", "GUID"):
            return f"urn:uuid:{universal.lower()}"
        return universal if kind == "URI" else f"urn:id:{universal}"
    return f"urn:id:{name.strip()}" if name.strip() else None


def identifier_of(number: Repetition) -> Json:
    """Return the Identifier of a CX. Its value is None if it has no number."""
    kind = part(number, 5)
    authority = number[3] if len(number) > 3 else []
    return without_empty(
        {
            "value": part(number, 1),
            "system": system_of(authority),
            "type": {"coding": [{"system": _IDENTIFIER_TYPES, "code": kind}]} if kind else None,
            "period": without_empty({"start": _day(number, 7), "end": _day(number, 8)}),
            "assigner": {"display": authority[0]} if authority and authority[0] else None,
        }
    )


def concept_of(value: Repetition) -> Json | None:
    """Return the CodeableConcept of a CE or CWE, with its original text."""
    codings = []
    for first in (1, 4):
        code, text, system = (part(value, first + offset) for offset in range(3))
        if code:
            url = find_code_system(system)
            if url is None and system:
                url = f"urn:id:{system}"
            codings.append(without_empty({"system": url, "code": code, "display": text}))
    text = part(value, 9) or part(value, 2) or part(value, 5)
    return without_empty({"coding": codings, "text": text}) or None


def first_concept(values: Iterable[Repetition]) -> Json | None:
    """Return the first concept of some repetitions."""
    return next((concept for value in values if (concept := concept_of(value))), None)


def names_of(names: Iterable[Repetition], use: str | None = None) -> list[Json]:
    """Return the HumanNames of XPNs. `use` is that of names without a type."""
    found = []
    for name in names:
        kind = part(name, 7)
        if kind == "P":  # the name of a partner
            continue
        given = [text for text in (part(name, 2), part(name, 3)) if text]
        human = {
            "use": _NAME_USES.get(kind or "", use),
            "family": part(name, 1),
            "given": [word for text in given for word in text.split()],
            "prefix": _listed(part(name, 5)),
            "suffix": _listed(part(name, 4)),
        }
        if human["family"] or human["given"]:
            found.append(without_empty(human))
    return found


def addresses_of(addresses: Iterable[Repetition]) -> list[Json]:
    """Return the Addresses of XADs."""
    found = []
    for address in addresses:
        lines = [text for text in (part(address, 1), part(address, 2)) if text]
        parts = {
            "line": lines,
            "city": part(address, 3),
            "state": part(address, 4),
            "postalCode": part(address, 5),
            "country": part(address, 6),
        }
        if any(parts.values()):
            use = _ADDRESS_USES.get(part(address, 7) or "")
            found.append(without_empty({"use": use, **parts}))
    return found


def contacts_of(numbers: Iterable[Repetition], use: str) -> list[Json]:
    """Return the ContactPoints of XTNs. `use` is that of numbers without a use code."""
    found = []
    for number in numbers:
        first, code, equipment = part(number, 1), part(number, 2), part(number, 3)
        email = part(number, 4)
        if email is None and first and "@" in first:
            email = first
        if email:
            found.append({"system": "email", "value": email})
            continue
        value = first or part(number, 12) or _compose_number(number)
        if value:
            system = _EQUIPMENT.get(equipment or "PH", "phone")
            contact_use = "mobile" if equipment == "CP" else _PHONE_USES.get(code or "", use)
            found.append({"system": system, "value": value, "use": contact_use})
    return found


def without_empty(item: Json) -> Json:
    """Return an object without absent and empty members."""
    return {name: value for name, value in item.items() if value not in (None, [], {})}


def _day(repetition: Repetition, component: int) -> str | None:
    """Return the day in a component; None if it is none."""
    match = _DAY.match(part(repetition, component) or "")
    return "-".join(match.groups()) if match else None


def _compose_number(number: Repetition) -> str | None:
    country, area, local, extension = (part(number, position) for position in range(5, 9))
    if local is None:
        return None
    digits = " ".join(text for text in (f"+{country}" if country else None, area, local) if text)
    return f"{digits} x{extension}" if extension else digits


def _listed(text: str | None) -> list[str]:
    return [text] if text else []
