"""`python -m tools.unlisted_elements FILE...` reads examples of FHIR, and says what a page forgets.

The files are what `flask imports fhir` reads, such as a package of HL7: `hl7.fhir.us.core.tgz`.
Each element of a resource must be on docs/imported-elements.md, as kept or as not kept. The command
lists the elements that are not, with their numbers and an example, and each refused resource. It
ends with status 1 if an element is not on the page.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tools.imported_elements import KEPT, is_on_page
from trially.recruiting.imports.fhir.rows import ResourceError
from trially.recruiting.imports.fhir.translating import translate
from trially.recruiting.imports.fhir.version_elements import VERSIONED
from trially.recruiting.imports.limits import UNLIMITED_INPUT
from trially.recruiting.imports.reading.input_meter import InputMeter
from trially.recruiting.imports.reading.resources import read_resources
from trially.recruiting.imports.reading.source_files import find_source_files


def find_unlisted(resource: dict[str, Any]) -> Iterator[str]:
    """Yield the elements of a resource that are not on the page: `Observation.valueQuantity.x`."""
    kind = resource["resourceType"]
    translated = VERSIONED.get(kind, {})
    for path in sorted(set(_leaves(resource, ()))):
        if path[0] not in translated and not is_on_page(kind, list(path)):
            yield ".".join((kind, *path))


def _leaves(value: Any, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Yield the names on the way to each primitive value."""
    if type(value) is dict:
        for name, part in value.items():
            yield from _leaves(part, (*path, name))
    elif type(value) is list:
        for item in value:
            yield from _leaves(item, path)
    elif path:
        yield path


def main(paths: list[str]) -> int:
    """Print the elements that are not on the page, and return the exit status."""
    unlisted: dict[str, list[str]] = {}
    number = 0
    for source_file in find_source_files([Path(path) for path in paths]):
        for line in read_resources(source_file, InputMeter(UNLIMITED_INPUT)):
            resource = line.resource
            if type(resource) is not dict or resource.get("resourceType") not in KEPT:
                continue
            number += 1
            place = f"{line.file}, {line.number}"
            for element in find_unlisted(resource):
                unlisted.setdefault(element, []).append(place)
            try:
                translate(resource)
            except ResourceError as error:
                sys.stdout.write(f"refused: {place}: {error.reason}\n")
    for element, places in sorted(unlisted.items()):
        sys.stdout.write(f"not on the page: {element}, {len(places)} times, first: {places[0]}\n")
    sys.stdout.write(f"{number:,} resources, {len(unlisted)} elements are not on the page\n")
    return 1 if unlisted else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
