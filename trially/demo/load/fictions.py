"""Fictitious patients of a load: each has names and a birth date that few others have."""

import datetime as dt
import hashlib
from typing import Any

BIRTHS_BEGIN = dt.date(1930, 1, 1)
BIRTH_DAYS = 30_000


def describe_patient(key: str) -> dict[str, Any]:
    """Return the body of the patient whose MRN is `key`; the same for the same key."""
    digits = hashlib.sha256(key.encode()).hexdigest()
    name = "".join(chr(ord("a") + int(digit, 16)) for digit in digits)
    return {
        "mrn": key,
        "given_name": name[:7].title(),
        "family_name": name[7:16].title(),
        "birth_date": _birth_of(digits),
        "sex": ("female", "male")[int(digits[8], 16) % 2],
        "phone": phone_number(digits, 0),
    }


def phone_number(digits: str, change: int) -> str:
    """Return the phone number of a patient after some changes, from hexadecimal digits."""
    return f"+1 {int(digits[:12], 16) % 10**9:09d}{change:05d}"


def changed_phone(key: str, change: int) -> str:
    """Return the phone number that the patient `key` gets with a change."""
    return phone_number(hashlib.sha256(key.encode()).hexdigest(), change)


def describe_resource(number: int, version: int) -> dict[str, Any]:
    """Return the FHIR resource of the imported patient with this number, in a version."""
    key = f"imported-{number}"
    patient = describe_patient(key)
    return {
        "resourceType": "Patient",
        "id": str(number),
        "name": [{"family": patient["family_name"], "given": [patient["given_name"]]}],
        "birthDate": patient["birth_date"],
        "gender": patient["sex"],
        "telecom": [{"system": "phone", "value": changed_phone(key, version)}],
    }


def _birth_of(digits: str) -> str:
    days = int(digits[:8], 16) % BIRTH_DAYS
    return (BIRTHS_BEGIN + dt.timedelta(days=days)).isoformat()
