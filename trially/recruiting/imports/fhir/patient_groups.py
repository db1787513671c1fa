"""Read race, ethnicity and gender identity, which are extensions of a Patient."""

from trially.recruiting.imports.fhir.codings import read_concept
from trially.recruiting.imports.fhir.reading_state import Reading
from trially.recruiting.imports.fhir.rows import LONGEST_NAME
from trially.recruiting.imports.fhir.values import Json, read_object, read_objects, read_text

# The categories of the US Office of Management and Budget, as US Core writes them.
_CATEGORIES = {
    "1002-5": "American Indian or Alaska Native",
    "2028-9": "Asian",
    "2054-5": "Black or African American",
    "2076-8": "Native Hawaiian or Other Pacific Islander",
    "2106-3": "White",
    "2131-1": "Other Race",
    "2135-2": "Hispanic or Latino",
    "2186-5": "Not Hispanic or Latino",
    "UNK": "Unknown",
    "ASKU": "Asked but no answer",
}
_GENDER_IDENTITIES = (
    "us-core-genderIdentity",
    "individual-genderIdentity",
    "patient-genderIdentity",
)


def read_extensions(holder: Json) -> dict[str, Json]:
    """Return an element's extensions by the last step of their URL; of duplicates, the first."""
    extensions: dict[str, Json] = {}
    for extension in read_objects(holder.get("extension")):
        url = extension.get("url")
        if type(url) is str:
            extensions.setdefault(url.rpartition("/")[2], extension)
    return extensions


def read_group(extensions: dict[str, Json], reading: Reading, *names: str) -> str | None:
    """Return a race or ethnicity: its text, or else the names of its categories or details."""
    extension = next((extensions[name] for name in names if name in extensions), None)
    if extension is None:
        return None
    parts = read_objects(extension.get("extension"))
    categories = [_name_of(part) for part in parts if part.get("url") == "ombCategory"]
    details = [_name_of(part) for part in parts if part.get("url") == "detailed"]
    texts = [
        read_text(part.get("valueString"), LONGEST_NAME)
        for part in parts
        if part.get("url") == "text"
    ]
    return (
        _join(texts)
        or _join(categories)
        or _join(details)
        or _read_concept_text(extension, reading)
        or _name_of(extension)
    )


def read_gender_identity(extensions: dict[str, Json], reading: Reading) -> str | None:
    """Return a gender identity, from US Core's extension or one of FHIR's two."""
    for name in _GENDER_IDENTITIES:
        extension = extensions.get(name, {})
        inner = read_extensions(extension).get("value", extension)
        if text := _read_concept_text(inner, reading):
            return text
    return None


def _name_of(part: Json) -> str | None:
    """Return the name of a category: its display, or the name of its code."""
    coding = read_object(part.get("valueCoding"))
    code = read_text(coding.get("code"), LONGEST_NAME)
    return read_text(coding.get("display"), LONGEST_NAME) or _CATEGORIES.get(code or "", code)


def _join(names: list[str | None]) -> str | None:
    return ", ".join(dict.fromkeys(name for name in names if name))[:LONGEST_NAME] or None


def _read_concept_text(extension: Json, reading: Reading) -> str | None:
    value = extension.get("valueCodeableConcept")
    if type(value) is not dict:
        return None
    concept = read_concept(value, None, "Patient.extension.valueCodeableConcept", reading)
    text = read_text(value.get("text"), LONGEST_NAME)
    if concept is None:
        return text
    name = concept.display or _CATEGORIES.get(concept.code or "", concept.code) or ""
    return text or name[:LONGEST_NAME] or None
