"""Routes of the search of patients."""

from typing import Any

from trially.auth.permissions import Permission, requires
from trially.http.contract import accepts, only_reads, returns_page
from trially.http.pages import Page
from trially.recruiting.patients.routes import PATIENTS, bp
from trially.recruiting.patients.searching import search_page
from trially.recruiting.patients.searching.schema import FoundPatientSchema, PatientSearchSchema


@bp.post("/search")
@requires(Permission.PATIENTS_READ)
@only_reads
@accepts(PatientSearchSchema())
@returns_page(FoundPatientSchema())
def search_patients(body: dict[str, Any]) -> Page:
    """Search patients by what identifies them, which does not belong in a URL.

    `q` takes words as people type them: any of the patient's names, the MRN, a phone number, an
    email address or a birth date. A patient must meet all criteria; without any, the search finds
    every patient. Accents, case, apostrophes and the zeros before a number do not matter.
    Exact matches come first, then beginnings, nicknames, and words with one typing error; `sort`
    changes the order. `matched` lists what matched each word. Criteria and sort keys that are
    masked for the caller are refused with 403.
    """
    return search_page(PATIENTS, body)
