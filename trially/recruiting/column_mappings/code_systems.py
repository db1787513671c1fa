"""The URLs of code systems by the names that hospitals use for them."""

import re

SNOMED = "http://snomed.info/sct"
LOINC = "http://loinc.org"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
NDC = "http://hl7.org/fhir/sid/ndc"
ATC = "http://www.whocc.no/atc"
PZN = "http://fhir.de/CodeSystem/ifa/pzn"
ICD10 = "http://hl7.org/fhir/sid/icd-10"
ICD10CM = "http://hl7.org/fhir/sid/icd-10-cm"
ICD10GM = "http://fhir.de/CodeSystem/bfarm/icd-10-gm"
ICD9CM = "http://hl7.org/fhir/sid/icd-9-cm"
ICDO3 = "http://terminology.hl7.org/CodeSystem/icd-o-3"
CVX = "http://hl7.org/fhir/sid/cvx"
UCUM = "http://unitsofmeasure.org"

# The names are those of HL7 v2 table 0396, and common ones of column headers.
_URLS = {
    "ln": LOINC,
    "lnc": LOINC,
    "loinc": LOINC,
    "sct": SNOMED,
    "snm": SNOMED,
    "snomed": SNOMED,
    "snomedct": SNOMED,
    "rxnorm": RXNORM,
    "rxn": RXNORM,
    "rxcui": RXNORM,
    "ndc": NDC,
    "atc": ATC,
    "wc": ATC,
    "pzn": PZN,
    "i10": ICD10,
    "icd10": ICD10,
    "i10c": ICD10CM,
    "icd10cm": ICD10CM,
    "icd10gm": ICD10GM,
    "i9": "http://hl7.org/fhir/sid/icd-9",
    "i9c": ICD9CM,
    "i9cdx": ICD9CM,
    "icd9cm": ICD9CM,
    "icdo3": ICDO3,
    "ido3": ICDO3,
    "cvx": CVX,
    "ucum": UCUM,
}
_URL = re.compile(r"(?:https?://|urn:)\S+")
_OID = re.compile(r"[0-2](?:\.(?:0|[1-9]\d*)){2,}")


def find_code_system(name: str | None) -> str | None:
    """Return the URL of a code system: a URL as it is, an OID as a URN, or that of a known name.

    None means that the system is unknown. A code without a system is kept with its text.
    """
    if name is None or _URL.fullmatch(name):
        return name
    if _OID.fullmatch(name):
        return f"urn:oid:{name}"
    return _URLS.get("".join(filter(str.isalnum, name)).lower())
