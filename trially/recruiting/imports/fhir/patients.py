"""Translate a Patient resource to a row."""

import re
from collections.abc import Callable, Iterable

from trially.database.model import length_of
from trially.geolocation import MOST_DEGREES
from trially.plain_text import is_plain
from trially.recruiting.imports.fhir.identifiers import (
    choose_number,
    read_identifiers,
    read_replaced,
    read_replacement,
)
from trially.recruiting.imports.fhir.life import read_life
from trially.recruiting.imports.fhir.observed_values import read_number
from trially.recruiting.imports.fhir.patient_groups import (
    read_extensions,
    read_gender_identity,
    read_group,
)
from trially.recruiting.imports.fhir.reading_state import Reading
from trially.recruiting.imports.fhir.rows import (
    LONGEST_CODE,
    LONGEST_NAME,
    AddressRow,
    NameRow,
    PatientRow,
)
from trially.recruiting.imports.fhir.values import (
    Json,
    read_flag,
    read_id,
    read_object,
    read_objects,
    read_text,
)
from trially.recruiting.patients.choices import Sex
from trially.recruiting.patients.model import ADDRESS_WIDTHS, Patient
from trially.recruiting.search.model import PatientName

LONGEST_PHONE = length_of(Patient.phone)
LONGEST_EMAIL = length_of(Patient.email)
LONGEST_LANGUAGE = length_of(Patient.language)
LONGEST_USE = length_of(PatientName.use)
LONGEST_DAY = length_of(PatientName.period_start)
LAST_RANK = 1_000
MOST_NAMES = 20
"""Names of one patient that are kept."""
SEXES = frozenset(sex.value for sex in Sex)

_NAME_RANKS = {"official": 0, "usual": 1, "old": 3, "maiden": 3}
_LANGUAGE = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*")


def translate_patient(resource: Json, reading: Reading) -> PatientRow:
    """Return the row of a Patient."""
    source_id = read_id(resource)
    life = read_life(resource, reading)
    given_name, family_name = _read_name(resource)
    identifiers = read_identifiers(resource, reading)
    number = choose_number(identifiers)
    link = read_replacement(resource)
    telecom = read_objects(resource.get("telecom"))
    extensions = read_extensions(resource)
    sex = (read_text(resource.get("gender"), LONGEST_CODE) or "").lower()
    _report_unread(resource, sex, reading)
    return {
        "source_id": source_id,
        "mrn": number["value"] if number else source_id,
        "mrn_system": number["system"] if number else None,
        "link_base_url": link[0] if link else None,
        "link_source_id": link[1] if link else None,
        "replaces": read_replaced(resource),
        "identifiers": identifiers,
        "given_name": given_name,
        "family_name": family_name,
        "names": _read_names(resource),
        "birth_date": life.birth.day,
        "birth_date_precision": (
            "day" if life.birth.precision == "instant" else life.birth.precision
        ),
        "sex": sex if sex in SEXES else None,
        "gender_identity": read_gender_identity(extensions, reading),
        "race": read_group(extensions, reading, "us-core-race", "argo-race"),
        "ethnicity": read_group(extensions, reading, "us-core-ethnicity", "argo-ethnicity"),
        "language": _read_language(resource),
        "phone": _read_contact(telecom, "phone", "tel:", LONGEST_PHONE)
        or _read_contact(telecom, "sms", "sms:", LONGEST_PHONE),
        "email": _read_contact(telecom, "email", "mailto:", LONGEST_EMAIL),
        "address": _read_address(resource, reading),
        "deceased": life.is_deceased,
        "deceased_at": life.death.at,
        "deceased_on": life.death.day,
        "deceased_precision": life.death.precision,
        "deceased_zone": life.death.zone,
        "date_problem": life.problem,
        "impossible_dates": life.impossible,
        "active": read_flag(resource.get("active"), "Patient.active", reading) is not False,
        "entered_in_error": False,
    }


def _report_unread(resource: Json, sex: str, reading: Reading) -> None:
    """Report a sex that FHIR does not have, and lists that are none."""
    if sex not in SEXES and resource.get("gender") not in (None, ""):
        reading.lose("Patient.gender", "is not one of female, male, other, unknown")
    for element in _LISTS:
        value = resource.get(element)
        if value is not None and type(value) is not list and type(value) is not dict:
            reading.lose(f"Patient.{element}", "is not a list")


_LISTS = ("address", "communication", "extension", "identifier", "link", "name", "telecom")


def _is_past(item: Json) -> bool:
    """Return whether a name, number or address is marked as no longer in use.

    Its period may end in the future. The end counts all the same, so that a resource gives the same
    row on every day.
    """
    return item.get("use") == "old" or read_object(item.get("period")).get("end") is not None


def _best(items: Iterable[Json], rank: Callable[[Json], tuple[int, ...]]) -> Json | None:
    return min(items, key=rank, default=None)


def _read_name(resource: Json) -> tuple[str | None, str | None]:
    """Return the current given and family name."""

    def rank(name: Json) -> tuple[int, ...]:
        return _is_past(name), _NAME_RANKS.get(str(name.get("use")), 2)

    name = _best(read_objects(resource.get("name")), rank)
    if name is None:
        return None, None
    given, family = _join(name.get("given"), " "), _join(name.get("family"), " ")
    if given is None and family is None:
        family = read_text(name.get("text"), LONGEST_NAME)
    return given, family


def _read_names(resource: Json) -> list[NameRow]:
    """Return all names, for the search. A name without any part is left out."""
    names = [_read_name_row(name) for name in read_objects(resource.get("name"))]
    known = [
        name for name in names if name["given_name"] or name["family_name"] or name["full_name"]
    ]
    return known[:MOST_NAMES]


def _read_name_row(name: Json) -> NameRow:
    given, family = _join(name.get("given"), " "), _join(name.get("family"), " ")
    period = read_object(name.get("period"))
    return {
        "use": read_text(name.get("use"), LONGEST_USE),
        "given_name": given,
        "family_name": family,
        "full_name": None if given or family else read_text(name.get("text"), LONGEST_NAME),
        "period_start": read_text(period.get("start"), LONGEST_DAY),
        "period_end": read_text(period.get("end"), LONGEST_DAY),
    }


def _join(value: object, separator: str, longest: int = LONGEST_NAME) -> str | None:
    """Return a string, or a list's strings joined to one, cut to `longest` characters."""
    parts = value if type(value) is list else [value]
    texts = [text for part in parts if (text := read_text(part, longest))]
    return separator.join(texts)[:longest] or None


def _read_contact(telecom: list[Json], system: str, scheme: str, longest: int) -> str | None:
    """Return the current phone number or email address.

    None if it is too long to store, or has control characters: a cut or joined address is another
    address.
    """

    def rank(point: Json) -> tuple[int, ...]:
        preference = point.get("rank")
        if type(preference) is not int or preference < 1:
            preference = LAST_RANK
        return _is_past(point), preference

    points = [
        point
        for point in telecom
        if point.get("system") == system and read_text(point.get("value"), 1) is not None
    ]
    point = _best(points, rank)
    if point is None or not is_plain(point["value"].strip()):
        return None
    value = read_text(point["value"], longest + len(scheme) + 1)
    value = value and value.removeprefix(scheme)
    return value if value and len(value) <= longest else None


def _read_address(resource: Json, reading: Reading) -> AddressRow | None:
    def rank(address: Json) -> tuple[int, ...]:
        return _is_past(address), address.get("use") != "home"

    address = _best(read_objects(resource.get("address")), rank)
    if address is None:
        return None
    row: AddressRow = {
        "line": _join(address.get("line"), ", ", ADDRESS_WIDTHS["line"]),
        "city": read_text(address.get("city"), ADDRESS_WIDTHS["city"]),
        "state": read_text(address.get("state"), ADDRESS_WIDTHS["state"]),
        "postal_code": read_text(address.get("postalCode"), ADDRESS_WIDTHS["postal_code"]),
        "country": read_text(address.get("country"), ADDRESS_WIDTHS["country"]),
    }
    if not any(row.values()):
        row["line"] = read_text(address.get("text"), ADDRESS_WIDTHS["line"])
    place = _read_place(address, reading)
    if place is not None:
        row["latitude"], row["longitude"] = place
    return row if place is not None or any(row.values()) else None


def _read_place(address: Json, reading: Reading) -> tuple[float, float] | None:
    """Return the latitude and longitude of FHIR's extension `geolocation`."""
    extension = read_extensions(address).get("geolocation")
    if extension is None:
        return None
    parts = read_extensions(extension)
    where = "Patient.address.extension(geolocation)"
    found = []
    for name, most in MOST_DEGREES.items():
        value = parts.get(name, {}).get("valueDecimal")
        number = read_number(value, where, reading)
        if number is None and value is not None:
            return None
        if number is None or abs(float(number)) > most:
            reading.lose(where, "is not a latitude and a longitude")
            return None
        found.append(float(number))
    return found[0], found[1]


def _read_language(resource: Json) -> str | None:
    """Return the patient's preferred language, as a BCP 47 tag."""
    communication = _best(
        read_objects(resource.get("communication")),
        lambda item: (item.get("preferred") is not True,),
    )
    language = read_object(read_object(communication).get("language"))
    for coding in read_objects(language.get("coding")):
        tag = read_text(coding.get("code"), LONGEST_LANGUAGE + 1)
        if tag and len(tag) <= LONGEST_LANGUAGE and _LANGUAGE.fullmatch(tag):
            return tag
    return None
