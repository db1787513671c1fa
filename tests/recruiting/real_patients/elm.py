"""Builds ELM, the form in which engines of CQL read expressions.

The translator from CQL to ELM needs Java, so the tests write ELM through these functions. Each has
the name of what a line of CQL would say.
"""

from typing import Any

Elm = dict[str, Any]

SYSTEMS = {
    "SNOMED": "http://snomed.info/sct",
    "LOINC": "http://loinc.org",
    "RXNORM": "http://www.nlm.nih.gov/research/umls/rxnorm",
    "CVX": "http://hl7.org/fhir/sid/cvx",
    "ACT": "http://terminology.hl7.org/CodeSystem/v3-ActCode",
}
_FHIR = "{http://hl7.org/fhir}"
_SYSTEM = "{urn:hl7-org:elm-types:r1}"


def library(definitions: dict[str, Elm]) -> Elm:
    """Return a library with some definitions of a patient."""
    patient = {
        "type": "SingletonFrom",
        "operand": {"type": "Retrieve", "dataType": f"{_FHIR}Patient"},
    }
    statements = [{"name": "Patient", "context": "Patient", "expression": patient}]
    statements += [
        {"name": name, "context": "Patient", "accessLevel": "Public", "expression": expression}
        for name, expression in definitions.items()
    ]
    return {
        "library": {
            "identifier": {"id": "Criteria", "version": "1.0.0"},
            "schemaIdentifier": {"id": "urn:hl7-org:elm", "version": "r1"},
            "usings": {
                "def": [
                    {"localIdentifier": "System", "uri": _SYSTEM[1:-1]},
                    {"localIdentifier": "FHIR", "uri": _FHIR[1:-1], "version": "4.0.1"},
                ]
            },
            "codeSystems": {
                "def": [
                    {"name": name, "id": url, "accessLevel": "Public"}
                    for name, url in SYSTEMS.items()
                ]
            },
            "statements": {"def": statements},
        }
    }


def retrieve(kind: str, *codes: str, code_property: str = "code") -> Elm:
    """Return `[Condition: code in { Code '44054006' from SNOMED }]`."""
    found: Elm = {"type": "Retrieve", "dataType": f"{_FHIR}{kind}"}
    if codes:
        elements = []
        for each in codes:
            system, code = each.split("|")
            elements.append({"type": "Code", "code": code, "system": {"name": system}})
        found |= {"codeProperty": code_property, "codes": {"type": "List", "element": elements}}
    return found


def patient_value(path: str) -> Elm:
    """Return `Patient.birthDate.value`."""
    return {
        "type": "Property",
        "path": path,
        "source": {"type": "ExpressionRef", "name": "Patient"},
    }


def value_of(alias: str, path: str) -> Elm:
    """Return `O.value.value`, of an alias in a query."""
    return {"type": "Property", "path": path, "scope": alias}


def where(source: Elm, alias: str, condition: Elm, returns: Elm | None = None) -> Elm:
    """Return `source alias where condition return returns`."""
    return where_of({alias: source}, condition, returns)


def where_of(sources: dict[str, Elm], condition: Elm, returns: Elm | None = None) -> Elm:
    """Return `from source alias, source alias where condition return returns`."""
    query: Elm = {
        "type": "Query",
        "source": [{"alias": name, "expression": each} for name, each in sources.items()],
        "relationship": [],
        "where": condition,
    }
    if returns is not None:
        query["return"] = {"distinct": True, "expression": returns}
    return query


def exists(source: Elm) -> Elm:
    """Return `exists (source)`."""
    return {"type": "Exists", "operand": source}


def operator(name: str, *operands: Elm) -> Elm:
    """Return an operator on two operands, or on more that are combined from the left."""
    first, *others = operands
    for other in others:
        first = {"type": name, "operand": [first, other]}
    return first


def both(*operands: Elm) -> Elm:
    """Return `a and b`."""
    return operator("And", *operands)


def either(*operands: Elm) -> Elm:
    """Return `a or b`."""
    return operator("Or", *operands)


def negation(operand: Elm) -> Elm:
    """Return `not a`."""
    return {"type": "Not", "operand": operand}


def is_null(operand: Elm) -> Elm:
    """Return `a is null`."""
    return {"type": "IsNull", "operand": operand}


def number(value: float) -> Elm:
    """Return a decimal."""
    return {"type": "Literal", "valueType": f"{_SYSTEM}Decimal", "value": str(value)}


def integer(value: int) -> Elm:
    """Return an integer."""
    return {"type": "Literal", "valueType": f"{_SYSTEM}Integer", "value": str(value)}


def text(value: str) -> Elm:
    """Return a string."""
    return {"type": "Literal", "valueType": f"{_SYSTEM}String", "value": value}


def at_time(year: int, month: int, day: int, *, ends: bool = False) -> Elm:
    """Return the first millisecond of a day in UTC, or its last one."""
    parts = (
        {"hour": 23, "minute": 59, "second": 59, "millisecond": 999}
        if ends
        else {"hour": 0, "minute": 0, "second": 0, "millisecond": 0}
    )
    names = {"year": year, "month": month, "day": day, **parts}
    return {
        "type": "DateTime",
        **{name: integer(value) for name, value in names.items()},
        "timezoneOffset": number(0.0),
    }


def age_on(year: int, month: int, day: int) -> Elm:
    """Return the completed years of the patient's age on a day."""
    names = {"year": year, "month": month, "day": day}
    on = {"type": "Date", **{name: integer(value) for name, value in names.items()}}
    return {
        "type": "CalculateAgeAt",
        "precision": "Year",
        "operand": [patient_value("birthDate.value"), on],
    }


def greatest(source: Elm) -> Elm:
    """Return `Max(source)`."""
    return {"type": "Max", "source": source}


def list_of(element: Elm) -> Elm:
    """Return `{ a }`."""
    return {"type": "List", "element": [element]}


def alias(name: str) -> Elm:
    """Return the element of a query that an alias stands for."""
    return {"type": "AliasRef", "name": name}


def count(source: Elm) -> Elm:
    """Return `Count(source)`."""
    return {"type": "Count", "source": source}


def date_from(operand: Elm) -> Elm:
    """Return `date from a`."""
    return {"type": "DateFrom", "operand": operand}
