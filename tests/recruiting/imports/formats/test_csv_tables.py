"""CSV files become FHIR resources, and nothing in them is guessed."""

import codecs
import gzip
from typing import Any

import pytest

from tests.recruiting.imports.formats.reading_tables import faults, read_table, resources
from trially.geolocation import GEOLOCATION
from trially.http.problems import to_pointers
from trially.recruiting.column_mappings.mapping import build_mapping
from trially.recruiting.column_mappings.problems import MappingError
from trially.recruiting.column_mappings.table_fields import TableKind
from trially.recruiting.imports.faults import Concern, FaultCode, LineFault
from trially.recruiting.imports.formats.tables.plans import PlanError
from trially.recruiting.imports.formats.text_files import TextFileError

PATIENTS = "MRN;Vorname;Nachname;Geburtsdatum;Geschlecht\n00123;Jörg;Müller;23.07.1961;m\n"
LABS = "patient,loinc,name,value,unit,date\n"


def lab(value: str, date: str = "2024-03-04", **options: Any) -> dict[str, Any]:
    quoted = value.replace('"', '""')
    return resources(f'{LABS}1,718-7,Hb,"{quoted}",g/dL,{date}\n', "labs", **options)[0]


@pytest.mark.parametrize(
    "content",
    [
        PATIENTS.encode(),
        codecs.BOM_UTF8 + PATIENTS.encode(),
        PATIENTS.encode("cp1252"),
        PATIENTS.encode("utf-16"),
        PATIENTS.replace("\n", "\r\n").encode(),
        PATIENTS.replace("\n", "\r").encode(),
        PATIENTS.replace(";", "\t").encode(),
        PATIENTS.replace(";", ",").encode(),
        b"sep=;\r\n" + PATIENTS.encode(),
        b"\n\n" + PATIENTS.encode(),
        PATIENTS.replace("00123", '="00123"').encode(),
        PATIENTS.replace("00123", '"=""00123"""').encode(),
        PATIENTS.replace("m\n", "m;;\n").encode(),
        gzip.compress(PATIENTS.encode(), mtime=0),
    ],
)
def test_a_table_of_patients_in_any_spelling(content: bytes) -> None:
    [patient] = resources(content, "patients")

    assert patient["identifier"][0]["value"] == "00123"
    assert patient["name"] == [{"use": "official", "family": "Müller", "given": ["Jörg"]}]
    assert (patient["birthDate"], patient["gender"]) == ("1961-07-23", "male")


def test_the_id_of_a_patient_is_the_record_number_so_that_other_files_can_refer_to_it() -> None:
    _, [patient] = read_table(PATIENTS, "patients")
    _, [umlaut] = read_table("mrn,sex\nÄ/1,f\n", "patients")
    _, [other] = read_table(PATIENTS, "patients", mapping={"identifier_system": "urn:id:A"})
    _, [fact] = read_table("mrn;icd10\n00123;E11.9\n", "diagnoses")

    assert patient.resource
    assert patient.resource["id"] == "00123"
    assert umlaut.resource
    assert umlaut.resource["id"].startswith("patient-")
    assert other.resource
    assert other.resource["id"].startswith("patient-")
    assert fact.resource
    assert fact.resource["subject"] == {"reference": "Patient/00123"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1961", "1961"),
        ("1961-07", "1961-07"),
        ("1961-07-23", "1961-07-23"),
        ("1961/7/3", "1961-07-03"),
        ("19610723", "1961-07-23"),
        ("3.4.1961", "1961-04-03"),
        ("00.00.1961", "1961"),
        ("00.05.1961", "1961-05"),
        ("05.1961", "1961-05"),
        ("23/07/1961", "1961-07-23"),
        ("07/23/1961", "1961-07-23"),
        ("07-07-1961", "1961-07-07"),
        ("3-APR-1961", "1961-04-03"),
        ("03 März 1961", "1961-03-03"),
        ("Apr 3, 1961", "1961-04-03"),
        ("1961-07-23 00:00:00.000", "1961-07-23"),
        ("1961-07-23 14:30", "1961-07-23T14:30:00"),
        ("23.07.1961 14:30:05", "1961-07-23T14:30:05"),
        ("07/23/1961 02:30 PM", "1961-07-23T14:30:00"),
        ("1961-07-23T14:30:00+0200", "1961-07-23T14:30:00+02:00"),
        ("1961-07-23T00:00:00Z", "1961-07-23T00:00:00Z"),
        ("0000-00-00", None),
    ],
)
def test_a_date_with_one_meaning_is_read(text: str, expected: str | None) -> None:
    date = lab("13", f'"{text}"').get("effectiveDateTime")

    assert date == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("03/04/2020", "day and month may be exchanged"),
        ("3-4-2020", "day and month may be exchanged"),
        ("03/04/2020 10:00", "day and month may be exchanged"),
        ("03.04.20", "year of two digits"),
        ("43924", "Excel's number of days"),
        ("2020-02-30", "not a date"),
        ("31.02.2020", "not a date"),
        ("yesterday", "not a date"),
        ("2020-13-01", "not a date"),
        ("2020-01-01 25:00", "not a date"),
    ],
)
def test_a_date_that_is_not_certain_is_a_fault_and_the_fact_stays(text: str, reason: str) -> None:
    _, [fact, fault] = read_table(f'{LABS}1,718-7,Hb,13,g/dL,"{text}"\n', "labs")

    assert fact.resource
    assert "effectiveDateTime" not in fact.resource
    assert fault.number == 2
    assert fault.fault
    assert fault.fault.concerns is Concern.VALUE
    assert fault.fault.pointer == "/date"
    assert fault.fault.reason.startswith("Cell 6 (date) ")
    assert reason in fault.fault.reason
    assert text not in fault.fault.reason


@pytest.mark.parametrize(
    ("text", "mapping", "expected"),
    [
        ("03/04/2020", {"dates": "DD/MM/YYYY"}, "2020-04-03"),
        ("03/04/2020", {"dates": ["MM/DD/YYYY"]}, "2020-03-04"),
        ("03/04/2020 16:05", {"dates": ["MM/DD/YYYY"]}, "2020-03-04T16:05:00"),
        ("03.04.61", {"dates": ["DD.MM.YY"], "first_year": 1930}, "1961-04-03"),
        ("03.04.20", {"dates": ["DD.MM.YY"], "first_year": 1930}, "2020-04-03"),
        ("04032020 0815", {"dates": ["DDMMYYYY hhmm"]}, "2020-03-04T08:15:00"),
        ("43924", {"dates": ["excel"]}, "2020-04-03"),
        ("43924.5", {"dates": ["excel"]}, "2020-04-03T12:00:00"),
        ("2020-04-03", {"dates": ["DD/MM/YYYY"]}, "2020-04-03"),
        ("2020-04-03 16:05", {"time_zone": "Europe/Berlin"}, "2020-04-03T16:05:00+02:00"),
        ("2020-01-03 16:05", {"time_zone": "Europe/Berlin"}, "2020-01-03T16:05:00+01:00"),
    ],
)
def test_declared_notations(text: str, mapping: Any, expected: str) -> None:
    assert lab("13", text, mapping=mapping)["effectiveDateTime"] == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("13", {"value": 13, "unit": "g/dL"}),
        ("13.5", {"value": 13.5, "unit": "g/dL"}),
        ("1.234", {"value": 1.234, "unit": "g/dL"}),
        ("1,234.5", {"value": 1234.5, "unit": "g/dL"}),
        ("1 234.5", {"value": 1234.5, "unit": "g/dL"}),
        ("1,234,567", {"value": 1234567, "unit": "g/dL"}),
        ("1.234.567", {"value": 1234567, "unit": "g/dL"}),
        ("-0.3", {"value": -0.3, "unit": "g/dL"}),
        ("1.2E+2", {"value": 120.0, "unit": "g/dL"}),
        ("9007199254740993", {"value": 9007199254740993, "unit": "g/dL"}),
        ("<5", {"value": 5, "comparator": "<", "unit": "g/dL"}),
        ("< 0.1", {"value": 0.1, "comparator": "<", "unit": "g/dL"}),
        ("≥ 60", {"value": 60, "comparator": ">=", "unit": "g/dL"}),
        ("4.5 g/dl", {"value": 4.5, "unit": "g/dL"}),
        ("=<5", {"value": 5, "comparator": "<=", "unit": "g/dL"}),
    ],
)
def test_numbers(text: str, expected: Any) -> None:
    assert lab(text)["valueQuantity"] == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("13,5", 13.5),
        ("0,512", 0.512),
        ("1,234", 1.234),
        ("1.234", 1234),
        ("1.234,5", 1234.5),
        ("1 234,5", 1234.5),
    ],
)
def test_a_decimal_comma_that_the_mapping_declares(text: str, expected: float) -> None:
    assert lab(text, mapping={"decimal": ","})["valueQuantity"]["value"] == expected


@pytest.mark.parametrize(
    ("text", "decimal", "reason"),
    [
        ("13,5", None, "has a decimal comma, which the mapping does not declare"),
        ("1.234,5", None, "has a decimal comma"),
        ("< 0,1", None, "has a decimal comma"),
        ("1,234", None, "comma may separate decimals or thousands"),
        ("13,5", ".", "has a decimal comma"),
        ("13.5", ",", "has a decimal point"),
    ],
)
def test_a_number_with_another_mark_than_the_mapping_declares_is_a_fault(
    text: str, decimal: str | None, reason: str
) -> None:
    content = f'{LABS}1,718-7,Hb,"{text}",g/dL,2024\n'

    [(line, sentence)] = faults(content, "labs", mapping={"decimal": decimal})

    assert line == 2
    assert sentence.startswith("Cell 4 (value) ")
    assert reason in sentence
    assert text not in sentence


def test_a_unit_in_the_cell_counts_if_there_is_no_column_of_units() -> None:
    [fact] = resources("patient;test;value\n1;Hb;13.5 g/dl\n", "labs")

    assert fact["valueQuantity"] == {"value": 13.5, "unit": "g/dl"}


@pytest.mark.parametrize(
    "unit", ["g/dl", "10*9/L", "x10^9/L", "mm Hg", "mmHg", "%", "µg/l", "mL/min/1.73m2", "/HPF"]
)
def test_units_in_cells(unit: str) -> None:
    [fact] = resources(f"patient;test;value\n1;Hb;13.5 {unit}\n", "labs")

    assert fact["valueQuantity"] == {"value": 13.5, "unit": unit}


def test_a_cell_with_another_unit_than_its_column_is_a_fault() -> None:
    assert faults(f"{LABS}1,718-7,Hb,8.1 mmol/l,g/dL,2024\n", "labs") == [
        (2, "The cell of the value has another unit than the cell of the unit.")
    ]


@pytest.mark.parametrize("text", ["0x10", "4 to 5", "2 of 3", "10 (high)", "5 mg daily"])
def test_a_number_before_other_words_is_text(text: str) -> None:
    assert lab(text)["valueString"] == text


@pytest.mark.parametrize("text", ["positive", "5 - 7", "1:40", "=1+1", "=cmd|' /C calc'!A0", "+++"])
def test_other_values_are_text(text: str) -> None:
    assert lab(text)["valueString"] == text


@pytest.mark.parametrize("text", ["", "NULL", "n/a", "N/A", ".", "-", "\\N", "NA", "#N/A"])
def test_a_missing_value_is_no_value(text: str) -> None:
    fact = lab(text)

    assert "valueQuantity" not in fact
    assert "valueString" not in fact
    assert fact["dataAbsentReason"]["coding"][0]["code"] == "unknown"


def test_people_may_be_called_na_and_null() -> None:
    [patient] = resources("mrn,given_name,family_name,phone\n1,Na,Null,NA\n", "patients")

    assert patient["name"][0]["family"] == "Null"
    assert patient["name"][0]["given"] == ["Na"]
    assert "telecom" not in patient


def test_a_table_with_undeclared_decimal_commas_makes_a_dot_ambiguous_too() -> None:
    table = "patient;test;value\n1;Hb;1.234\n1;Hb;13,5\n1;Hb;12.5\n1;Hb;7\n"

    assert [line for line, _ in faults(table, "labs")] == [2, 3]
    assert [line for line, _ in faults(table, "labs", mapping={"decimal": ","})] == [4]
    assert [line for line, _ in faults(table, "labs", mapping={"decimal": "."})] == [3]


def test_quoted_cells_may_have_delimiters_quotes_and_line_ends_and_lines_stay_true() -> None:
    content = (
        'mrn,address,city\r\n1,"Main St 1\r\n2nd floor","Ort, A ""B"""\r\n\r\n2,"x\n'
        '3,Weg 3,C\r\n4,"a"b,D\r\n5,Weg 5,E,F\r\n6,Weg\r\n7,Weg 7,G\r\n8,"Weg\r\n9,Weg 9,I\r\n'
    )
    _, results = read_table(content, "patients")

    assert [(each.number, each.fault and each.fault.reason) for each in results] == [
        (2, None),
        (5, "A quotation mark is in a quoted cell. Two of them stand for one."),
        (6, None),
        (7, "A quotation mark is in a quoted cell. Two of them stand for one."),
        (8, "The row has 4 cells, and the header has 3."),
        (9, "The row has 2 cells, and the header has 3."),
        (10, None),
        (11, "A quoted cell begins in this row and does not end."),
        (12, None),
    ]
    first = results[0].resource
    assert first
    assert first["address"] == [{"line": ["Main St 1", "2nd floor"], "city": 'Ort, A "B"'}]


def test_a_row_may_say_where_its_address_is() -> None:
    content = "mrn,Ort,Breitengrad,Lon\n1,Köln,50.9375,6.9603\n2,Köln,,\n3,Köln,50.9375,west\n"
    _, [*rows, fault] = read_table(content, "patients")

    places = [each.resource and each.resource["address"][0].get("extension") for each in rows]
    here = [
        {"url": "latitude", "valueDecimal": 50.9375},
        {"url": "longitude", "valueDecimal": 6.9603},
    ]
    assert places == [[{"url": GEOLOCATION, "extension": here}], None, None]
    assert fault.fault
    assert fault.fault.reason == "Cell 4 (longitude) is not a number."


def test_a_file_in_two_encodings_is_refused_unless_its_encoding_is_named() -> None:
    content = "mrn,city\n1,Köln\n".encode() + "2,Köln\n".encode("cp1252")

    with pytest.raises(TextFileError, match="partly UTF-8"):
        read_table(content, "patients")
    assert faults(content, "patients", encoding="utf-8") == [
        (3, "The row has bytes that are not in the file's encoding.")
    ]


@pytest.mark.parametrize("cut", [1, 3])
def test_a_damaged_file_in_utf_16_loses_its_last_row_only(cut: int) -> None:
    content = "mrn,city\n1,Köln\n2,😀\n".encode("utf-16")[:-cut]

    assert faults(content, "patients") == [
        (3, "The row has bytes that are not in the file's encoding.")
    ]


@pytest.mark.parametrize(
    ("header", "problem"),
    [
        ("given,family", "No column holds patient."),
        ("mrn,pid,sex", "2 columns may be patient."),
        ("mrn,sex,sex", "2 columns may be sex."),
    ],
)
def test_columns_that_are_not_certain_prevent_an_import(header: str, problem: str) -> None:
    row = ",".join("1" for _ in header.split(","))

    with pytest.raises(PlanError, match=problem):
        read_table(f"{header}\n{row}\n", "patients")


def test_a_mapping_names_columns_by_header_or_number_and_words() -> None:
    content = "No,No,Who,S\n7,8,Ada Bo,2\n"
    mapping = {
        "columns": {"patient": 2, "name": "Who", "sex": "S"},
        "values": {"sex": {"2": "female"}},
    }
    plan, [result] = read_table(content, "patients", mapping={"patients": mapping, "labs": {}})

    assert [(column.field, column.reason) for column in plan.columns] == [
        (None, "not recognised"),
        ("patient", "mapping"),
        ("name", "mapping"),
        ("sex", "mapping"),
    ]
    assert result.resource == {
        "resourceType": "Patient",
        "id": "8",
        "identifier": [
            {
                "type": {
                    "coding": [
                        {"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR"}
                    ]
                },
                "value": "8",
            }
        ],
        "name": [{"text": "Ada Bo"}],
        "gender": "female",
    }


def test_a_date_that_contradicts_the_declared_notation_is_a_fault() -> None:
    table = f"{LABS}1,718-7,Hb,13,g/dL,07/23/1961\n"

    [(_, sentence)] = faults(table, "labs", mapping={"dates": "DD/MM/YYYY"})
    assert "is not a date in a known notation" in sentence


@pytest.mark.parametrize(
    ("mapping", "pointer"),
    [
        ([], ""),
        ({"colums": {}}, "/colums"),
        ({"columns": {"gender": "x"}}, "/columns/gender"),
        ({"columns": {"sex": 0}}, "/columns/sex"),
        ({"columns": {"sex": True}}, "/columns/sex"),
        ({"dates": ["YYYY", "DD/MM"]}, "/dates/1"),
        ({"dates": ["DD.MM.YY"]}, "/dates/0"),
        ({"dates": [7]}, "/dates/0"),
        ({"decimal": ";"}, "/decimal"),
        ({"time_zone": "Mars"}, "/time_zone"),
        ({"time_zone": "../../etc/passwd"}, "/time_zone"),
        ({"code_system": "unheard of"}, "/code_system"),
        ({"values": {"sex": {"1": 2}}}, "/values/sex/1"),
        ({"missing": 0}, "/missing"),
        ({"first_year": "1930"}, "/first_year"),
    ],
)
def test_a_wrong_mapping_is_refused_with_a_pointer(mapping: Any, pointer: str) -> None:
    with pytest.raises(MappingError) as caught:
        build_mapping(mapping, TableKind.PATIENTS)

    [found] = to_pointers(caught.value.nested())
    assert found["pointer"] == pointer
    assert found["detail"] in str(caught.value)


def test_a_row_that_is_refused_has_the_pointer_of_its_cell() -> None:
    _, results = read_table(f'{LABS},718-7,Hb,13,g/dL,2024\n1,718-7,Hb,"13,5",g/dL,2024\n', "labs")

    assert [each.fault and each.fault.pointer for each in results] == ["/patient", "/value"]
    assert [each.resource for each in results] == [None, None]


def test_an_unknown_word_is_a_fault_and_never_another_value() -> None:
    assert faults("mrn,sex\n1,1\n2,f\n", "patients") == [
        (2, "Cell 2 (sex) is not a known word. Name it in the mapping's values.")
    ]


def test_a_number_that_excel_shortened_is_no_record_number() -> None:
    assert [line for line, _ in faults("mrn,sex\n1.23457E+12,f\n12,f\n", "patients")] == [2, 2]


def test_diagnoses_keep_their_certainty() -> None:
    content = (
        "mrn;ICD-10-GM;Diagnose;Sicherheit;Beginn;Ende\n"
        "1;E11.9;Diabetes;G;2019;\n1;C50.9;Brustkrebs;A;;\n1;I21.9;Infarkt;Z;05.2010;\n"
    )
    diabetes, cancer, infarct = resources(content, "diagnoses")

    assert diabetes["code"]["coding"] == [
        {
            "system": "http://fhir.de/CodeSystem/bfarm/icd-10-gm",
            "code": "E11.9",
            "display": "Diabetes",
        }
    ]
    assert diabetes["onsetDateTime"] == "2019"
    assert cancer["verificationStatus"]["coding"][0]["code"] == "refuted"
    assert infarct["clinicalStatus"]["coding"][0]["code"] == "resolved"


def test_labs_keep_range_flag_and_note() -> None:
    content = (
        "patient,code,code_system,value,unit,low,high,flag,range,note,status\n"
        "1,ALT,LN,120,U/L,5,40,HH,5-40,hemolytic,F\n"
    )
    [fact] = resources(content, "labs")

    assert fact["referenceRange"] == [
        {
            "low": {"value": 5, "unit": "U/L"},
            "high": {"value": 40, "unit": "U/L"},
            "text": "5-40",
        }
    ]
    assert fact["interpretation"][0]["coding"][0]["code"] == "HH"
    assert fact["note"] == [{"text": "hemolytic"}]
    assert fact["status"] == "final"
    assert fact["code"]["coding"] == [{"system": "http://loinc.org", "code": "ALT"}]


def test_medications_keep_dates_dosage_and_status() -> None:
    content = (
        "patient,rxnorm,drug,start,end,status,dose\n1,860975,Metformin,2020,2021,stopped,1-0-1\n"
    )
    [fact] = resources(content, "medications")

    assert fact["status"] == "stopped"
    assert fact["effectivePeriod"] == {"start": "2020", "end": "2021"}
    assert fact["dosage"] == [{"text": "1-0-1"}]
    assert fact["medicationCodeableConcept"]["coding"][0]["code"] == "860975"


def test_ids_depend_on_the_content_only_and_a_record_number_replaces_it() -> None:
    def ids(content: str) -> list[str]:
        return [each.resource["id"] for each in read_table(content, "labs")[1] if each.resource]

    first = "1,718-7,Hb,13,g/dL,2024-03-04\n"
    second = "1,718-7,Hb,14,g/dL,2024-03-04\n"
    assert ids(LABS + first + second) == list(reversed(ids(LABS + second + first)))
    assert len(set(ids(LABS + first + second))) == 2
    numbered = "record,patient,loinc,value\n7,1,718-7,{}\n"
    assert ids(numbered.format(13)) == ids(numbered.format(14))


def test_reading_continues_after_stored_results() -> None:
    content = "mrn,sex\n1,f\n2,?\n3,f\n"
    _, every = read_table(content, "patients")

    for stored in range(len(every) + 1):
        _, rest = read_table(content, "patients", start_after=stored)
        assert rest == every[stored:]


def test_a_truncated_file_gives_its_whole_rows_and_a_fault() -> None:
    rows = "".join(f"{number},f\n" for number in range(2000))
    packed = gzip.compress(f"mrn,sex\n{rows}".encode(), compresslevel=0)

    _, results = read_table(packed[: len(packed) // 2], "patients")

    assert results[-1].fault == LineFault(
        "table.csv",
        results[-1].number,
        "The file is truncated.",
        code=FaultCode.DAMAGED_FILE,
        concerns=Concern.INPUT,
    )
    assert all(each.resource for each in results[:-1])
    assert len(results) > 2
