"""Read references to patients, by id and by identifier."""

import re
from urllib.parse import parse_qsl

from trially.recruiting.imports.faults import FaultCode
from trially.recruiting.imports.fhir.rows import LONGEST_CODE, ResourceError
from trially.recruiting.imports.fhir.values import (
    LONGEST_REFERENCE,
    Json,
    as_text,
    find_common_id,
    is_id,
    read_object,
    read_objects,
    read_reference,
    read_text,
    refuse_other_type,
    require_text,
)
from trially.recruiting.sources.server_urls import base_of

LONGEST_SYSTEM = 512
LONGEST_VALUE = 255

_UNESCAPED_COMMA = re.compile(r"(?<!\\),")


def read_subject(resource: Json, element: str, where: str) -> str:
    """Return the key of the patient that an element refers to.

    The key is the id of the patient, with the server's base URL if the reference is absolute. For
    a logical or conditional reference, or one to a contained Patient, it is the key of an
    identifier (`identifier_key`).
    """
    value = resource.get(element)
    if type(value) is dict:
        reference = value.get("reference")
        source_id = find_common_id(reference, "Patient")
        if source_id is not None:
            return _key_of(reference, source_id)
        if type(reference) is str and reference.startswith("#"):
            return _read_contained(resource, reference[1:], where)
        if type(reference) is str and "?" in reference:
            return _read_conditional(require_text(reference, where, LONGEST_REFERENCE) or "", where)
        if reference is None and type(value.get("identifier")) is dict:
            kind = read_text(value.get("type"), LONGEST_CODE) or "Patient"
            refuse_other_type(kind, "Patient", where)
            return _key_of_identifier(value["identifier"], f"{where}.identifier")
    source_id = read_reference(value, "Patient", where)
    return _key_of(read_object(value).get("reference"), source_id)


def _key_of(reference: object, source_id: str) -> str:
    base_url = base_of(reference, "Patient")
    return f"{base_url}/Patient/{source_id}" if base_url else source_id


def identifier_key(system: str, value: str) -> str:
    """Return the key of an identifier. No id by FHIR's rule begins with a question mark."""
    return f"?{system}|{value}"


def is_identifier_key(key: str) -> bool:
    """Return whether a key names an identifier, and not an id."""
    return key.startswith("?")


def split_identifier_key(key: str) -> tuple[str, str]:
    """Return the system, empty if none is known, and the value of an identifier's key."""
    system, _, value = key[1:].partition("|")
    return system, value


def _invalid(where: str, problem: str) -> ResourceError:
    return ResourceError(where, problem, FaultCode.INVALID_REFERENCE)


def _key_of_identifier(identifier: Json, where: str) -> str:
    system = require_text(identifier.get("system"), f"{where}.system", LONGEST_SYSTEM)
    value = require_text(as_text(identifier.get("value")), f"{where}.value", LONGEST_VALUE)
    if value is None:
        raise _invalid(where, "has no value")
    if system and "|" in system:
        raise _invalid(f"{where}.system", "has a vertical bar")
    return identifier_key(system or "", value)


def _read_contained(resource: Json, contained_id: str, where: str) -> str:
    """Return the key of the identifier of a contained Patient: the MRN, or else the first one."""
    for contained in read_objects(resource.get("contained")):
        if contained.get("id") != contained_id:
            continue
        kind = contained.get("resourceType")
        refuse_other_type(kind if type(kind) is str else "", "Patient", where)
        identifiers = [
            identifier
            for identifier in read_objects(contained.get("identifier"))
            if read_text(as_text(identifier.get("value")), 1) is not None
        ]
        if not identifiers:
            raise _invalid(where, "refers to a contained Patient that has no identifier")
        return _key_of_identifier(min(identifiers, key=_rank), f"{where}.identifier")
    raise _invalid(where, "refers to a contained resource that is not there")


def _rank(identifier: Json) -> int:
    codings = read_objects(read_object(identifier.get("type")).get("coding"))
    return 0 if any(coding.get("code") == "MR" for coding in codings) else 1


def _read_conditional(reference: str, where: str) -> str:
    """Return the patient's key in a reference such as `Patient?identifier=system|value`."""
    path, _, query = reference.partition("?")
    refuse_other_type(path.rpartition("/")[2], "Patient", where)
    parameters = parse_qsl(query, keep_blank_values=True, max_num_fields=10) if query else []
    match parameters:
        case [("_id", target_id)] if is_id(target_id):
            return target_id
        case [("identifier", token)] if not _UNESCAPED_COMMA.search(token):
            system, bar, value = token.rpartition("|")
            return _key_of_identifier(
                {"system": _unescape(system) if bar else None, "value": _unescape(value)}, where
            )
    raise _invalid(where, "is a conditional reference by something else than one identifier")


def _unescape(text: str) -> str:
    return re.sub(r"\\([\\,|$])", r"\1", text)
