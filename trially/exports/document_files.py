"""Write the texts of documents as files, with a list of them."""

from trially.exports.fhir.documents import text_of
from trially.exports.fhir.writing import as_line
from trially.exports.fhir_files import Check
from trially.exports.packages import Package
from trially.exports.reading import Reader

ALL_TYPES = ["DocumentReference", "DiagnosticReport", "Composition"]
LIST = "files/documents.ndjson"


def write_documents(package: Package, reader: Reader, check: Check) -> None:
    """Write one file for each document that has a text, and a list with their hashes.

    A file has the document's id as its name. The manifest has the hash of the list only, because
    there may be millions of documents.
    """
    lines = package.spooled()
    for source in reader.sources():
        for document in reader.documents(source, ALL_TYPES):
            if not document["pages"]:
                continue
            path = f"files/{document['id']}.txt"
            with package.unlisted(path) as file:
                file.write(text_of(document["pages"]).encode())
            lines.write(
                as_line(
                    {
                        "path": path,
                        "id": str(document["id"]),
                        "patient_id": str(document["patient_id"]),
                        "bytes": file.bytes,
                        "sha256": file.sha256,
                    }
                )
            )
            check(1)
    lines.seek(0)
    with lines, package.file(LIST) as file:
        for line in lines:
            file.write(line)
