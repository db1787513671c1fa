"""The files of a dossier: signed JSON, and a PDF to which it is attached."""

import io
from pathlib import Path
from typing import Any

import orjson
from pypdf import PdfReader
from pypdf.errors import PyPdfError

from trially.dossier.pages import ATTACHED, SIGNED, to_pdf
from trially.errors import OperatorError
from trially.keys import Purpose, current_keys, signing

_PDF = b"%PDF-"


class ForgedDossierError(OperatorError):
    """A file is no dossier of this installation, or was changed."""


def write_files(document: dict[str, Any], stem: Path) -> None:
    """Write a signed document as `STEM.json` and `STEM.pdf`."""
    Path(f"{stem}.json").write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2))
    Path(f"{stem}.pdf").write_bytes(to_pdf(document))


def read_verified(path: Path) -> dict[str, Any]:
    """Return the content of a dossier's file.

    Raises `ForgedDossierError` if the signature is wrong, or the pages of a PDF are not those of
    its signed content.
    """
    found = path.read_bytes()
    signed = _attached(found) if found.startswith(_PDF) else found
    content = _signed_content(signed)
    if found.startswith(_PDF) and _pages(found) != _pages(to_pdf(orjson.loads(signed))):
        raise ForgedDossierError(
            "The attached dossier is genuine, but the pages differ from it: they were changed, or"
            " another version of trially drew them."
        )
    return content


def sign(content: dict[str, Any], secret_key: str) -> dict[str, Any]:
    """Return a document with the content of a dossier and its signature."""
    return signing.sign(content, secret_key, Purpose.DOSSIER_SIGNATURES, SIGNED)


def _signed_content(signed: bytes) -> dict[str, Any]:
    return signing.verify(
        signed, current_keys().accepted, Purpose.DOSSIER_SIGNATURES, SIGNED, ForgedDossierError
    )


def _attached(pdf: bytes) -> bytes:
    try:
        return PdfReader(io.BytesIO(pdf)).attachments[ATTACHED][0]
    except (PyPdfError, KeyError, IndexError):
        raise ForgedDossierError("The PDF is damaged, or is no dossier.") from None


def _pages(pdf: bytes) -> list[bytes]:
    """Return what each page draws."""
    drawn = [page.get_contents() for page in PdfReader(io.BytesIO(pdf)).pages]
    return [b"" if contents is None else contents.get_data() for contents in drawn]
