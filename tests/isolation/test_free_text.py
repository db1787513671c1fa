"""Text that a source wrote reaches no member whose PHI level is not `full`, wherever it stood."""

import copy
import io
import tarfile
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from members import AsMember, MakeTenant, Member

from tests.recruiting.imports.fhir.test_translating import find_places
from tests.recruiting.imports.fhir_examples import EXAMPLES, make_patient
from trially.auth.roles import PhiLevel, Role

MARKERS = ("Zaphod", "zaphod-beeblebrox", "ZB12345", "ZAPHOD")
"""A name, an id in lower case, a medical record number, and a name in the form of a country."""


def plant(marker: str) -> Iterator[dict[str, Any]]:
    """Yield copies of each example, with the marker in place of one of its strings each."""
    number = 0
    for example in EXAMPLES:
        for position, (holder, key) in enumerate(find_places(example)):
            if not isinstance(holder[key], str):
                continue
            number += 1
            resource = copy.deepcopy(example)
            if resource["resourceType"] == "Patient":
                resource["identifier"][1]["value"] = f"M-{marker}-{number}"
            resource["id"] = f"{number}"
            planted, name = find_places(resource)[position]
            planted[name] = marker
            yield resource


def pack(*resources: dict[str, Any], name: str) -> bytes:
    """Return a tar archive of one NDJSON file."""
    content = b"".join(orjson.dumps(resource) + b"\n" for resource in resources)
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as archive:
        member = tarfile.TarInfo(f"{name}.ndjson")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return written.getvalue()


def read_pages(member: Member, path: str) -> Iterator[Any]:
    """Yield the answers of all pages of a list."""
    query: dict[str, Any] = {"limit": 200}
    while True:
        answer = member.get(path, query_string=query)
        assert answer.status_code == 200, answer.text
        yield answer
        if not answer.json["page"]["has_more"]:
            return
        query["cursor"] = answer.json["page"]["next"]


def read_everything(member: Member, *, may_see_patients: bool) -> Iterator[tuple[str, str]]:
    """Yield the path and text of each answer that a member may get."""
    for answer in read_pages(member, "/imports"):
        yield "/imports", answer.text
        for job in answer.json["data"]:
            path = f"/imports/{job['id']}"
            yield path, member.get(path).text
            for page in read_pages(member, f"{path}/errors"):
                yield f"{path}/errors", page.text
            yield f"{path}/errors/groups", member.get(f"{path}/errors/groups").text
    for page in read_pages(member, "/imports/waiting"):
        yield "/imports/waiting", page.text
    if not may_see_patients:
        return
    for answer in read_pages(member, "/patients"):
        yield "/patients", answer.text
        for patient in answer.json["data"]:
            path = f"/patients/{patient['id']}"
            yield path, member.get(path).text
            for kind in ("records", "timeline"):
                for page in read_pages(member, f"{path}/{kind}"):
                    yield kind, page.text


@pytest.mark.parametrize("marker", MARKERS)
def test_no_string_of_a_source_is_shown(
    make_tenant: MakeTenant, as_member: AsMember, marker: str
) -> None:
    tenant = make_tenant()
    admin = as_member(tenant)
    subject = {**make_patient(1), "id": "p1"}
    resources = list(plant(marker))
    kinds = {resource.get("resourceType") for resource in resources}
    uploads = [pack(subject, *resources, name=marker), pack({}, subject, name=marker)]
    for query, upload, status in (("", uploads[0], 201), ("&strict=true", uploads[1], 422)):
        answer = admin.post(
            f"/imports?source=fhir{query}", data=upload, content_type="application/octet-stream"
        )
        assert answer.status_code == status, answer.text

    shown = {
        level: [
            (path, text)
            for path, text in read_everything(
                as_member(tenant, role, phi_level=level),
                may_see_patients=level is not PhiLevel.NONE,
            )
            if marker.lower() in text.lower()
        ]
        for role, level in (
            (Role.VIEWER, PhiLevel.FULL),
            (Role.VIEWER, PhiLevel.LIMITED),
            (Role.OWNER, PhiLevel.LIMITED),
            (Role.AUDITOR, PhiLevel.NONE),
        )
    }

    assert len(resources) > 130
    assert len(kinds) > 9
    assert {path for path, _ in shown[PhiLevel.FULL]} > {"/patients", "records", "timeline"}
    assert len(shown[PhiLevel.FULL]) > 20
    assert shown[PhiLevel.LIMITED] == []
    assert shown[PhiLevel.NONE] == []
