"""FHIR resources with documents, for tests."""

import base64
from typing import Any

from tests.recruiting.imports.fhir_examples import LOINC, SUBJECT, concept


def encode(content: bytes | str) -> str:
    binary = content.encode() if isinstance(content, str) else content
    return base64.b64encode(binary).decode()


def attach(content: bytes | str, kind: str | None = "text/plain", **more: Any) -> dict[str, Any]:
    return {"contentType": kind, "data": encode(content), **more}


def make_reference(number: int, *attachments: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "DocumentReference",
        "id": f"d{number}",
        "status": "current",
        "subject": SUBJECT,
        "type": concept(LOINC, "18842-5", "Discharge summary"),
        "category": [concept(None, "clinical-note")],
        "content": [{"attachment": each} for each in attachments],
        **more,
    }


def make_binary(binary_id: str, content: bytes | str, kind: str = "text/plain") -> dict[str, Any]:
    return {
        "resourceType": "Binary",
        "id": binary_id,
        "contentType": kind,
        "data": encode(content),
    }
