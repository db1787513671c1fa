"""Import resources about one patient through the API, and read back what it shows."""

import itertools
from dataclasses import dataclass
from typing import Any

from members import Member

from tests.recruiting.imports.fhir_examples import concept
from tests.recruiting.imports.importing import upload, write_ndjson

_numbers = itertools.count(1)

Json = dict[str, Any]


def about(kind: str, resource_id: str, **elements: Any) -> Json:
    """Return a resource about the patient `p`."""
    who = "patient" if kind in ("AllergyIntolerance", "Immunization") else "subject"
    shared = {"resourceType": kind, "id": resource_id, who: {"reference": "Patient/p"}}
    return {**shared, **elements}


def condition(resource_id: str = "c", **elements: Any) -> Json:
    shared = {
        "code": concept("http://snomed.info/sct", "44054006", "Diabetes"),
        "verificationStatus": concept("http://hl7.org/x", "confirmed"),
    }
    return about("Condition", resource_id, **{**shared, **elements})


def observation(resource_id: str = "o", **elements: Any) -> Json:
    shared = {
        "status": "final",
        "code": concept("http://loinc.org", "4548-4", "HbA1c"),
        "effectiveDateTime": "2021-03-04T09:00:00Z",
    }
    return about("Observation", resource_id, **{**shared, **elements})


def drug(kind: str, resource_id: str = "m", **elements: Any) -> Json:
    name = concept("http://www.nlm.nih.gov/research/umls/rxnorm", "6809", "metformin")
    shared = {"status": "active", "medicationCodeableConcept": name}
    return about(kind, resource_id, **{**shared, **elements})


@dataclass
class Chart:
    """What the API shows of one imported patient."""

    member: Member
    job: Json
    patient: Json
    """Empty if the patient was not imported."""

    def records(self, **query: Any) -> list[Json]:
        return self._list("records", query)

    def timeline(self, **query: Any) -> list[Json]:
        return self._list("timeline", query)

    def record(self, resource_id: str) -> Json:
        """Return the record of a resource, without its components."""
        (record,) = [
            each
            for each in self.records()
            if each["source_id"] == resource_id and not each["component"]
        ]
        return record

    def event(self, resource_id: str) -> Json:
        wanted = self.record(resource_id)["id"]
        (event,) = [each for each in self.timeline() if each["id"] == wanted]
        return event

    def ids(self, **query: Any) -> list[str]:
        return [record["source_id"] for record in self.records(**query)]

    @property
    def reasons(self) -> list[str]:
        faults = self.member.get(f"/imports/{self.job['id']}/errors").json["data"]
        return [fault["reason"] for fault in faults]

    def _list(self, name: str, query: Json) -> list[Json]:
        path = f"/patients/{self.patient['id']}/{name}"
        items: list[Json] = []
        while True:
            answer = self.member.get(path, query_string={"limit": 2, **query})
            assert answer.status_code == 200, answer.json
            items += answer.json["data"]
            if not answer.json["page"]["has_more"]:
                return items
            query = {**query, "cursor": answer.json["page"]["next"]}


def take_in(member: Member, *resources: Json, **patient: Any) -> Chart:
    """Import a patient `p` with these elements, and resources about the patient."""
    number = next(_numbers)
    person = {
        "resourceType": "Patient",
        "id": "p",
        "identifier": [{"value": f"Q-{number}"}],
        "birthDate": "1961-04-09",
        **patient,
    }
    return import_more(member, f"source-{number}", person, *resources)


def import_more(member: Member, source: str, *resources: Json) -> Chart:
    """Import resources of a source, and return the chart of its only patient."""
    answer = upload(member, write_ndjson(*resources), query=f"?source={source}")
    assert answer.status_code == 201, answer.json
    patients = member.get("/patients", query_string={"source": source}).json["data"]
    return Chart(member, answer.json, patients[0] if patients else {})
