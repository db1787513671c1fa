"""Two tenants, each full of a canary: a word that no answer to the other may have in it."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from fuzzing import LISTS

ROOMS = {
    "study_id": "studies",
    "site_id": "sites",
    "patient_id": "patients",
    "import_id": "imports",
}


@dataclass
class House:
    """A tenant with two of everything, an administrator of it, and what only they may be told."""

    member: Any
    canary: str
    ids: dict[str, str] = field(default_factory=dict)
    """Ids of what it has, by the names of the routes' arguments."""
    cursors: dict[str, str] = field(default_factory=dict)
    etags: dict[str, str] = field(default_factory=dict)
    """What was first seen of each of `ids`."""

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.member.token}"}

    @property
    def secrets(self) -> Iterator[bytes]:
        tenant = self.member.tenant
        named = (self.canary, tenant.slug, str(tenant.id), self.member.subject)
        for secret in (*named, *self.ids.values(), *self.cursors.values()):
            yield secret.encode()

    def read_etags(self) -> dict[str, str]:
        return {
            name: self.member.get(f"/{ROOMS[name]}/{known}").headers.get("ETag", "gone")
            for name, known in self.ids.items()
        }

    def plant(self, number: int) -> None:
        word = f"{self.canary} {number}"
        bodies = {
            "study_id": {"protocol_number": word, "title": word, "sponsor": word},
            "site_id": {"name": word, "city": word, "investigator": word},
        }
        for name, body in bodies.items():
            self.ids[name] = self._make(name, body)
        self.plant_patient(word)

    def plant_patient(self, word: str) -> None:
        names = ("mrn", "given_name", "family_name", "email", "race")
        address = {"line": word, "city": word}
        said = {"birth_date": "1960-05-17", "sex": "female", "site_id": self.ids["site_id"]}
        body = {**dict.fromkeys(names, word), **said, "address": address}
        self.ids["patient_id"] = self._make("patient_id", body)

    def _make(self, name: str, body: dict[str, Any]) -> str:
        made = self.member.post(f"/{ROOMS[name]}", json=body)
        assert made.status_code == 201, made.text
        return str(made.json["id"])


@pytest.fixture(scope="session")
def make_house(
    make_tenant: Callable[..., Any], as_member: Callable[..., Any], make_fact: Callable[..., str]
) -> Callable[[str], House]:
    def make(canary: str) -> House:
        tenant = make_tenant(slug=canary.lower(), name=canary)
        as_member(tenant, display_name=canary)
        house = House(as_member(tenant, display_name=canary), canary)
        for number in range(2):
            house.plant(number)
            make_fact(tenant, house.ids["patient_id"], display=canary, value_text=canary)
            upload = json.dumps({"resourceType": canary, "id": str(number)}) + '\n{"id": 5}\n'
            job = house.member.post("/imports", data=upload, content_type="application/ndjson")
            house.ids["import_id"] = job.json["id"]
        for room in LISTS:
            house.cursors[room] = house.member.get(f"/{room}?limit=1").json["page"]["next"]
        house.etags = house.read_etags()
        return house

    return make


@pytest.fixture(scope="session")
def ours(make_house: Callable[[str], House]) -> House:
    return make_house("Ourcanary")


@pytest.fixture(scope="session")
def theirs(make_house: Callable[[str], House]) -> House:
    return make_house("Theircanary")
