"""Studies in the JSON of API version 2 of ClinicalTrials.gov, for tests."""

import gzip
from collections.abc import Iterator
from typing import Any

import orjson

from tests.conftest import SHARED_DATA

REAL_STUDIES = SHARED_DATA / "studies" / "clinicaltrials_gov_v2_180.ndjson.gz"
ABSENT = f"{REAL_STUDIES.name} is not on this machine."


def body(nct_id: str = "NCT00000001", **modules: Any) -> dict[str, Any]:
    """Return a study with these modules of its protocol section, such as `statusModule={…}`."""
    identification = {"nctId": nct_id, **modules.pop("identificationModule", {})}
    return {"protocolSection": {"identificationModule": identification, **modules}}


def eligibility(**members: Any) -> dict[str, Any]:
    """Return a study with these members of its eligibility."""
    return body(eligibilityModule=members)


def real_studies() -> Iterator[dict[str, Any]]:
    """Yield the 180 real studies."""
    with gzip.open(REAL_STUDIES) as file:
        for line in file:
            yield orjson.loads(line)
