"""The fields of the tables that can be imported, and the headers by which they are recognised."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

from trially.recruiting.column_mappings import code_systems


class TableKind(StrEnum):
    """What the rows of a table are about."""

    PATIENTS = "patients"
    DIAGNOSES = "diagnoses"
    LABS = "labs"
    MEDICATIONS = "medications"


class Field(NamedTuple):
    """A field, and the words in headers that mean it, without accents, spaces and signs."""

    name: str
    headers: tuple[str, ...] = ()


CODE_FIELDS: Mapping[str, str] = {
    "loinc": code_systems.LOINC,
    "snomed": code_systems.SNOMED,
    "icd10": code_systems.ICD10,
    "icd10cm": code_systems.ICD10CM,
    "icd10gm": code_systems.ICD10GM,
    "icd9cm": code_systems.ICD9CM,
    "rxnorm": code_systems.RXNORM,
    "atc": code_systems.ATC,
    "ndc": code_systems.NDC,
    "pzn": code_systems.PZN,
}
"""Fields for codes of one system."""


def _field(name: str, headers: str = "") -> Field:
    return Field(name, (name.replace("_", ""), *headers.split()))


_PATIENT = _field(
    "patient",
    "patientid patientmrn mrn medicalrecordnumber patientnumber patientno patientnr patnr patid"
    " patientennummer patientennr patientenid pid pnr subjectid personid",
)
_RECORD = _field("record", "recordid rowid id resultid observationid orderid datensatz satzid")
_UPDATED = _field(
    "updated", "lastupdated updatedat modified lastmodified changedat geandertam aenderungsdatum"
)
_NOTE = _field("note", "notes comment comments remark remarks bemerkung kommentar anmerkung")
_CODE = _field("code", "codevalue kode")
_CODE_SYSTEM = _field("code_system", "codesystem system codingsystem vocabulary kodesystem")


def _codes(**headers: str) -> tuple[Field, ...]:
    return tuple(_field(name, headers.get(name, "")) for name in headers)


FIELDS: Mapping[TableKind, Sequence[Field]] = {
    TableKind.PATIENTS: (
        _PATIENT,
        _field("given_name", "given givenname firstname forename vorname vornamen prenom nombre"),
        _field("family_name", "family familyname lastname surname nachname familienname name2"),
        _field("birth_name", "birthname maidenname geburtsname"),
        _field("name", "fullname patientname patientenname"),
        _field("birth_date", "birthdate dob dateofbirth birthday geburtsdatum gebdatum gebdat"),
        _field("sex", "gender geschlecht administrativesex birthsex"),
        _field("phone", "telephone tel telefon telefonnummer phonenumber mobile handy mobil"),
        _field("email", "emailaddress mail mailadresse emailadresse"),
        _field("address", "street addressline addressline1 strasse anschrift adresse"),
        _field("city", "town ort stadt wohnort"),
        _field("state", "province bundesland region"),
        _field("postal_code", "postalcode zip zipcode postcode plz postleitzahl"),
        _field("country", "land countrycode"),
        _field("latitude", "lat breitengrad breite geolat"),
        _field("longitude", "lon lng long laengengrad laenge geolon geolng"),
        _field("language", "preferredlanguage sprache"),
        _field("deceased", "isdeceased dead verstorben"),
        _field("death_date", "dateofdeath deathdate dod deceaseddate todesdatum sterbedatum"),
        _field("active", "isactive aktiv"),
        _UPDATED,
    ),
    TableKind.DIAGNOSES: (
        _PATIENT,
        _CODE,
        _CODE_SYSTEM,
        *_codes(
            icd10="icd icd10code icdcode",
            icd10cm="icd10cmcode",
            icd10gm="icd10gmcode",
            icd9cm="icd9 icd9code",
            snomed="snomedct snomedcode sctid",
        ),
        _field("text", "diagnosis diagnose diagnosetext diagnosis text description bezeichnung"),
        _field("onset", "onsetdate startdate diagnosisdate diagnosedatum beginn datum date"),
        _field("end", "enddate abatement abatementdate resolveddate ende"),
        _field("recorded", "recordeddate dateentered erfasstam erfassungsdatum"),
        _field("clinical_status", "clinicalstatus status"),
        _field("certainty", "verificationstatus diagnosesicherheit sicherheit diagnosticcertainty"),
        _field("body_site", "bodysite site lokalisation"),
        _field("stage", "cancerstage tumorstage stadium tnm"),
        _field("severity", "schweregrad"),
        _RECORD,
        _NOTE,
        _UPDATED,
    ),
    TableKind.LABS: (
        _PATIENT,
        _CODE,
        _CODE_SYSTEM,
        *_codes(loinc="loinccode loincnum loincnr", snomed="snomedct snomedcode sctid"),
        _field("name", "test testname analyte parameter component analyt bezeichnung laborwert"),
        _field("value", "result resultvalue wert ergebnis messwert valuenumeric"),
        _field("comparator", "operator vorzeichen"),
        _field("unit", "units einheit valueunit resultunit"),
        _field(
            "date",
            "datetime collected collectiondate collectiontime sampledate resultdate observationdate"
            " effectivedate datum abnahme abnahmedatum abnahmezeit abnahmezeitpunkt",
        ),
        _field("reported", "issued reportedat reportdate befunddatum"),
        _field("low", "referencelow lowerlimit lln normmin untergrenze refmin rangelow"),
        _field("high", "referencehigh upperlimit uln normmax obergrenze refmax rangehigh"),
        _field("range", "referencerange normalrange normbereich referenzbereich referenz"),
        _field("flag", "abnormalflag interpretation abnormal flags bewertung"),
        _field("status", "resultstatus befundstatus"),
        _RECORD,
        _NOTE,
        _UPDATED,
    ),
    TableKind.MEDICATIONS: (
        _PATIENT,
        _CODE,
        _CODE_SYSTEM,
        *_codes(
            rxnorm="rxcui rxnormcode",
            atc="atccode",
            ndc="ndccode",
            pzn="pznummer",
            snomed="snomedct snomedcode sctid",
        ),
        _field("name", "drug drugname medication medicationname medikament wirkstoff praparat"),
        _field("start", "startdate begin beginn datum date von"),
        _field("end", "enddate stopdate stop ende bis"),
        _field("status", "medicationstatus"),
        _field("dosage", "dose dosageinstruction sig dosierung dosis"),
        _field("route", "applikation administrationroute"),
        _field("reason", "indication indikation grund"),
        _RECORD,
        _NOTE,
        _UPDATED,
    ),
}
"""The fields of each kind of table."""

REQUIRED: Mapping[TableKind, Sequence[tuple[str, ...]]] = {
    TableKind.PATIENTS: (("patient",),),
    TableKind.DIAGNOSES: (
        ("patient",),
        ("code", "text", "icd10", "icd10cm", "icd10gm", "icd9cm", "snomed"),
    ),
    TableKind.LABS: (("patient",), ("code", "loinc", "snomed", "name"), ("value",)),
    TableKind.MEDICATIONS: (
        ("patient",),
        ("code", "rxnorm", "atc", "ndc", "pzn", "snomed", "name"),
    ),
}
"""Of each group of fields, a table needs one."""

CUSTOM_FIELD = re.compile(r"custom\.[a-z0-9_]+")
"""The tenant's own field of patients. Whether there is one, a mapping does not know."""

NAME_FIELDS = frozenset({"given_name", "family_name", "birth_name", "name"})
_SPECIAL = str.maketrans({"ß": "ss", "ø": "o", "æ": "ae", "ł": "l"})


def has_field(kind: TableKind, name: str) -> bool:
    """Return whether a kind of table has a field of this name, or may have it."""
    is_custom = kind is TableKind.PATIENTS and CUSTOM_FIELD.fullmatch(name) is not None
    return is_custom or any(field.name == name for field in FIELDS[kind])


def guess_field(header: str, kind: TableKind) -> str | None:
    """Return the field that a header certainly means, or None."""
    word = _normalised(header)
    return next((field.name for field in FIELDS[kind] if word in field.headers), None)


def _normalised(header: str) -> str:
    decomposed = unicodedata.normalize("NFKD", header.casefold().translate(_SPECIAL))
    return "".join(filter(str.isalnum, decomposed))
