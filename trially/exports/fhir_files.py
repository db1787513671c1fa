"""Write what is stored as FHIR R4 NDJSON: a folder for each source, a file for each type."""

from collections.abc import Callable, Iterable, Iterator

from trially.database.rows import Item
from trially.exports.fhir.documents import DOCUMENT_TYPES, write_document
from trially.exports.fhir.elements import Json
from trially.exports.fhir.medications import write_medication
from trially.exports.fhir.patients import write_patient
from trially.exports.fhir.writing import FACT_TYPES, as_line, write_fact
from trially.exports.packages import Package
from trially.exports.reading import Reader

Check = Callable[[int], None]
"""Called with the number of items that were written since the last call. It may raise."""

_FORMER_NAMES = {"MedicationRequest": ["MedicationRequest", "MedicationOrder"]}
_Resources = Iterable[tuple[Json, str]]


def write_fhir(package: Package, reader: Reader, check: Check) -> None:
    """Write the resources of all sources. The manifest names the source of each folder."""
    folders = package.header.setdefault("sources", {})
    for number, source in enumerate(reader.sources(), start=1):
        folder = f"fhir/{number}"
        folders[folder] = source
        for kind, resources in _resources_of(reader, source):
            _write_file(package, f"{folder}/{kind}.ndjson", resources, check)


def _resources_of(reader: Reader, source: str) -> Iterator[tuple[str, _Resources]]:
    """Yield the resources of a source by type, each with its base URL; patients come first."""
    yield "Patient", (_patient(each) for each in reader.patients(source))
    yield (
        "Medication",
        ((write_medication(each), each["base_url"]) for each in reader.medications(source)),
    )
    for kind in FACT_TYPES:
        kinds = _FORMER_NAMES.get(kind, [kind])
        yield (
            kind,
            ((write_fact(each), each[0]["base_url"]) for each in reader.facts(source, kinds)),
        )
    for kind, kinds in DOCUMENT_TYPES.items():
        yield (
            kind,
            (
                (write_document(each, each["pages"]), each["base_url"])
                for each in reader.documents(source, kinds)
            ),
        )


def _patient(row: Item) -> tuple[Json, str]:
    return write_patient(row, row["names"], row["identifiers"]), row["base_url"]


def _write_file(package: Package, path: str, resources: _Resources, check: Check) -> None:
    """Write a file, unless there is no resource."""
    remaining = iter(resources)
    first = next(remaining, None)
    if first is None:
        return
    with package.file(path) as file:
        file.write(as_line(*first))
        check(1)
        for resource, base_url in remaining:
            file.write(as_line(resource, base_url))
            check(1)
