"""HL7 v2 messages become FHIR resources."""

import codecs
import gzip
from typing import Any

import pytest

from tests.recruiting.imports.formats.reading_messages import (
    PID,
    faults,
    message,
    read_messages,
    resources,
)
from tests.recruiting.imports.formats.reading_tables import zipped
from trially.recruiting.imports.formats.hl7v2.escapes import unescape
from trially.recruiting.imports.formats.hl7v2.patients import EARLIEST_VERSION
from trially.recruiting.imports.limits import ImportLimits
from trially.recruiting.imports.reading.records import Deletion

ORU = "ORU^R01^ORU_R01"
OBR = "OBR|1|P1|F1^LAB|24323-8^Panel^LN|||20240304080000|||||||||||||||20240304090000||LAB|F"
A01 = message(PID, "PV1|1|I")
FRAMED = b"\x0b" + A01.encode() + b"\x1c\r"


def observation(obx: str, obr: str = OBR, pid: str = PID, **options: Any) -> dict[str, Any]:
    found = resources(message(pid, obr, obx, kind=ORU, **options), "Observation")
    assert len(found) == 1
    return found[0]


@pytest.mark.parametrize(
    "content",
    [
        A01.encode(),
        A01.replace("\r", "\n").encode(),
        A01.replace("\r", "\r\n").encode(),
        A01.replace("\r", "\r\n\r\n").encode(),
        A01.rstrip("\r").encode(),
        FRAMED,
        codecs.BOM_UTF8 + A01.encode(),
        gzip.compress(A01.encode()),
        A01.replace("UNICODE UTF-8", "").encode(),
        A01.replace("UNICODE UTF-8", "").encode("cp1252"),
        A01.replace("UNICODE UTF-8", "8859/1").encode("latin-1"),
        A01.replace("UNICODE UTF-8", "8859/15").encode("iso8859-15"),
        A01.replace("UNICODE UTF-8", "")
        .replace("ö", r"\XF6\\")
        .replace("\\\\", "\\")
        .encode("cp1252"),
        b"FHS|^~\\&|A\rBHS|^~\\&|A\r" + A01.encode() + b"BTS|1\rFTS|1\r",
        A01.replace("|", "#").replace("^", "*").replace("&", "@").encode(),
    ],
)
def test_a_message_in_any_spelling(content: bytes) -> None:
    [patient] = resources(content, "Patient")

    assert patient["name"] == [{"use": "official", "family": "Müller", "given": ["Jörg"]}]
    assert patient["identifier"][0]["value"] == "123"
    assert patient["identifier"][0]["system"] == "urn:oid:1.2.3"
    assert (patient["birthDate"], patient["gender"]) == ("1961-07-23", "male")
    assert patient["meta"] == {"lastUpdated": "2024-03-04T10:30:00+01:00"}


def test_the_elements_of_a_patient() -> None:
    pid = (
        r"PID|1||9^^^SSA^SS~77^^^CLINIC^MR~00123^^^^PI"
        r"||van der Berg&van der&Berg^Ann^Marie^Jr^Dr^^L~Smith^Ann^^^^^M||196107|F||"
        r"2106-3^White^CDCREC~2028-9^Asian^CDCREC|"
        r"Main St 1&Main St&1^2nd floor^Köln^NW^50667^DEU^H||"
        r"0221/1^PRN^PH~^NET^Internet^ann@x.org~^PRN^CP^^49^171^55^7|"
        r"222^WPN|de|||||||N^Not Hispanic|||||||20240101|Y"
    )
    [patient] = resources(message(pid))

    assert [each["value"] for each in patient["identifier"]] == ["9", "77", "00123"]
    assert patient["name"] == [
        {
            "use": "official",
            "family": "van der Berg",
            "given": ["Ann", "Marie"],
            "prefix": ["Dr"],
            "suffix": ["Jr"],
        },
        {"use": "maiden", "family": "Smith", "given": ["Ann"]},
    ]
    assert patient["birthDate"] == "1961-07"
    assert patient["address"] == [
        {
            "use": "home",
            "line": ["Main St 1", "2nd floor"],
            "city": "Köln",
            "state": "NW",
            "postalCode": "50667",
            "country": "DEU",
        }
    ]
    assert [(each["system"], each["value"]) for each in patient["telecom"]] == [
        ("phone", "0221/1"),
        ("email", "ann@x.org"),
        ("phone", "+49 171 55 x7"),
        ("phone", "222"),
    ]
    assert patient["extension"][0]["extension"][0]["valueString"] == "White, Asian"
    assert patient["communication"][0]["language"]["coding"][0]["code"] == "de"
    assert patient["deceasedDateTime"] == "2024-01-01"


def test_a_social_security_number_never_identifies_a_record() -> None:
    assert faults(message("PID|1||9^^^SSA^SS||A^B")) == [(2, "PID has no number of a patient.")]


def test_one_number_of_two_authorities_is_two_patients_in_every_message() -> None:
    ids = [
        resources(message(f"PID|1||{number}||A^B"))[0]["id"]
        for number in ("7^^^A^MR", "7^^^B^MR", "7^^^A^MR~9^^^X^SS", "8^^^X^PI~7^^^A^MR", "7")
    ]

    assert ids[0] == ids[2] == ids[3]
    assert len(set(ids)) == 3
    assert ids[4] == "7"


@pytest.mark.parametrize(
    ("event", "pv1", "status", "period"),
    [
        ("A01", "|||20240304", "in-progress", {"start": "2024-03-04"}),
        ("A04", "|||", "in-progress", None),
        ("A08", "|||20240304|20240305", "finished", {"start": "2024-03-04", "end": "2024-03-05"}),
        ("A03", "|||202403040800|", "finished", {"start": "2024-03-04T08:00:00+01:00"}),
        ("A11", "|||20240304|", "cancelled", {"start": "2024-03-04"}),
        ("A13", "|||20240304|20240305", "in-progress", {"start": "2024-03-04"}),
        ("A05", "|||20240304|", "planned", {"start": "2024-03-04"}),
    ],
)
def test_a_visit(event: str, pv1: str, status: str, period: Any) -> None:
    segment = f"PV1|1|I|||||||||||||||||V1{'|' * 22}{pv1}"
    [visit] = resources(message(PID, segment, kind=f"ADT^{event}"), "Encounter")
    [first] = resources(message(PID, segment), "Encounter")

    assert visit["id"] == first["id"]
    assert visit["status"] == status
    assert visit["class"]["code"] == "IMP"
    assert visit.get("period") == period


@pytest.mark.parametrize(
    ("time", "zone", "expected"),
    [
        ("2024", None, "2024"),
        ("202403", None, "2024-03"),
        ("20240304", None, "2024-03-04"),
        ("2024030408", None, "2024-03-04T08:00:00+01:00"),
        ("20240304081500.123", None, "2024-03-04T08:15:00.123000+01:00"),
        ("20240304081500-0500", None, "2024-03-04T08:15:00-05:00"),
        ("20240704081500", "Europe/Berlin", "2024-07-04T08:15:00+02:00"),
        ("20240704081500-0500", "Europe/Berlin", "2024-07-04T08:15:00-05:00"),
    ],
)
def test_a_time_has_its_own_zone_that_of_the_source_or_that_of_the_message(
    time: str, zone: str | None, expected: str
) -> None:
    found = resources(
        message(PID, OBR, f"OBX|1|ST|1^x|||||||F|||{time}".replace("1^x|", "1^x||y"), kind=ORU),
        "Observation",
        zone=zone,
    )

    assert found[0]["effectiveDateTime"] == expected


def test_a_bad_time_is_a_fault_and_the_rest_is_kept() -> None:
    content = message(PID.replace("19610723", "19610732"), "DG1|1||E11.9^Diabetes^I10||yesterday|F")

    assert faults(content) == [(2, "PID-7 is not a time."), (3, "DG1-5 is not a time.")]
    assert [each.resource["resourceType"] for each in read_messages(content) if each.resource] == [
        "Patient",
        "Condition",
    ]


def test_diagnoses_allergies_and_procedures() -> None:
    content = message(
        PID,
        "DG1|1||E11.9^Diabetes^I10||20190514|F",
        "DG1|2|I10|C50.9|Breast cancer||W",
        "DG1|3||I10^Hypertension^I10C|||F" + "|" * 14 + "|D",
        "AL1|1|DA|7980^Penicillin^RXNORM|SV|Rash~Hives|2001",
        "PR1|1||47562^Cholecystectomy^C4||20200101",
    )
    diabetes, cancer, deleted, allergy, procedure = resources(content)[1:]

    assert diabetes["code"]["coding"] == [
        {"system": "http://hl7.org/fhir/sid/icd-10", "code": "E11.9", "display": "Diabetes"}
    ]
    assert diabetes["onsetDateTime"] == "2019-05-14"
    assert diabetes["verificationStatus"]["coding"][0]["code"] == "confirmed"
    assert cancer["code"] == {
        "coding": [{"system": "http://hl7.org/fhir/sid/icd-10", "code": "C50.9"}],
        "text": "Breast cancer",
    }
    assert cancer["verificationStatus"]["coding"][0]["code"] == "provisional"
    assert deleted["verificationStatus"]["coding"][0]["code"] == "entered-in-error"
    assert allergy["category"] == ["medication"]
    assert allergy["reaction"] == [
        {"manifestation": [{"text": "Rash"}, {"text": "Hives"}], "severity": "severe"}
    ]
    assert procedure["performedDateTime"] == "2020-01-01"


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("NM", "13.5", {"valueQuantity": {"value": 13.5, "unit": "g/dL"}}),
        ("NM", "<5", {"valueQuantity": {"value": 5, "comparator": "<", "unit": "g/dL"}}),
        ("NM", "hemolytic", {"valueString": "hemolytic"}),
        ("SN", ">^100", {"valueQuantity": {"value": 100, "comparator": ">", "unit": "g/dL"}}),
        ("SN", "^5", {"valueQuantity": {"value": 5, "unit": "g/dL"}}),
        ("SN", "^1^:^40", {"valueString": "1:40"}),
        (
            "SN",
            "^5^-^10",
            {
                "valueRange": {
                    "low": {"value": 5, "unit": "g/dL"},
                    "high": {"value": 10, "unit": "g/dL"},
                }
            },
        ),
        ("ST", "positive", {"valueString": "positive"}),
        ("ST", "13.5", {"valueQuantity": {"value": 13.5, "unit": "g/dL"}}),
        ("TX", r"a\.br\b\T\c~d", {"valueString": "a\nb&c\nd"}),
        ("FT", r"5\S\3", {"valueString": "5^3"}),
        ("DT", "20240304", {"valueDateTime": "2024-03-04"}),
        ("TS", "202403041200", {"valueDateTime": "2024-03-04T12:00:00+01:00"}),
        ("TM", "1215", {"valueTime": "12:15:00"}),
    ],
)
def test_values(kind: str, value: str, expected: dict[str, Any]) -> None:
    found = observation(f"OBX|1|{kind}|718-7^Hb^LN||{value}|g/dL|12-16|H|||F")

    assert {name: found[name] for name in found if name.startswith("value")} == expected
    assert found["status"] == "final"
    assert found["code"]["coding"][0]["system"] == "http://loinc.org"
    assert found["effectiveDateTime"] == "2024-03-04T08:00:00+01:00"
    assert found["issued"] == "2024-03-04T09:00:00+01:00"
    assert found["category"][0]["coding"][0]["code"] == "laboratory"
    assert found["interpretation"][0]["coding"][0]["code"] == "H"
    assert found["referenceRange"] == [
        {
            "low": {"value": 12, "unit": "g/dL"},
            "high": {"value": 16, "unit": "g/dL"},
            "text": "12-16",
        }
    ]


def test_coded_values_keep_both_codes_and_each_repetition() -> None:
    one = observation(
        "OBX|1|CWE|1^x||260373001^Detected^SCT^POS^positive^L|||||||F".replace(
            "|||||||F", "||||||F"
        )
    )
    two = observation("OBX|1|CE|1^x||1^a^LN~2^b^LN||||||F")

    assert one["valueCodeableConcept"]["coding"] == [
        {"system": "http://snomed.info/sct", "code": "260373001", "display": "Detected"},
        {"system": "urn:id:L", "code": "POS", "display": "positive"},
    ]
    assert [each["valueCodeableConcept"]["coding"][0]["code"] for each in two["component"]] == [
        "1",
        "2",
    ]


def test_a_unit_of_ucum_has_its_code() -> None:
    found = observation("OBX|1|NM|1^x||4.5|10*9/L^10^9/L^UCUM||||||F".replace("10^9/L^U", "G/L^U"))

    assert found["valueQuantity"] == {
        "value": 4.5,
        "unit": "G/L",
        "system": "http://unitsofmeasure.org",
        "code": "10*9/L",
    }


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("F", "final"),
        ("C", "corrected"),
        ("P", "preliminary"),
        ("D", "entered-in-error"),
        ("W", "entered-in-error"),
        ("X", "cancelled"),
        ("", "final"),  # that of the order
    ],
)
def test_a_result_keeps_its_id_whatever_its_status(status: str, expected: str) -> None:
    first = observation("OBX|1|NM|718-7^Hb^LN||13.5|g/dL|||||F")
    later = observation(f"OBX|7|NM|718-7^Hb^LN||14.5|g/dL|||||{status}", time="20240305103000+0100")

    assert later["status"] == expected
    assert later["id"] == first["id"]
    assert later["meta"]["lastUpdated"] == "2024-03-05T10:30:00+01:00"


def test_results_of_other_patients_orders_codes_and_sub_ids_have_other_ids() -> None:
    base = "OBX|1|NM|718-7^Hb^LN||13.5|g/dL|||||F"
    ids = {
        observation(base)["id"],
        observation(base, pid=PID.replace("123", "124"))["id"],
        observation(base, obr=OBR.replace("F1", "F2"))["id"],
        observation(base.replace("718-7", "718-8"))["id"],
        observation(base.replace("||13.5", "|a|13.5"))["id"],
    }
    both = resources(message(PID, OBR, base, base, kind=ORU), "Observation")

    assert len(ids) == 5
    assert len({each["id"] for each in both}) == 2


def test_lines_of_text_and_notes_belong_to_one_result() -> None:
    lines = [f"OBX|{number}|TX|11529-5^Report^LN||line {number}||||||F" for number in (1, 2, 3)]
    [found] = resources(
        message(PID, OBR, *lines, "NTE|1||seen", "NTE|2||twice", kind=ORU), "Observation"
    )

    assert found["valueString"] == "line 1\nline 2\nline 3"
    assert found["note"] == [{"text": "seen\ntwice"}]


def test_a_raw_line_feed_in_a_text_continues_it() -> None:
    found = observation("OBX|1|FT|1^x||first\nsecond||||||F")

    assert found["valueString"] == "first\nsecond"


def test_a_message_of_results_does_not_replace_the_patient_of_an_admission() -> None:
    [patient] = resources(message("PID|1||123^^^HOSP&1.2.3&ISO^MR||M^J", kind=ORU))
    [admitted] = resources(message(PID))

    assert patient["id"] == admitted["id"]
    assert patient["meta"]["lastUpdated"] < admitted["meta"]["lastUpdated"]


def test_several_patients_in_one_message() -> None:
    other = PID.replace("123", "124")
    obx = "OBX|1|NM|718-7^Hb^LN||13.5|g/dL|||||F"
    found = resources(message(PID, OBR, obx, other, OBR, obx, kind=ORU))

    patients = [each["id"] for each in found if each["resourceType"] == "Patient"]
    subjects = [each["subject"]["reference"] for each in found if "subject" in each]
    assert subjects == [f"Patient/{each}" for each in patients]
    assert len(set(patients)) == 2


def test_a_merge_names_the_record_that_replaces_the_other_one() -> None:
    survivor, old = resources(message(PID, "MRG|9^^^HOSP&1.2.3&ISO^MR", kind="ADT^A40"))

    assert old["link"] == [
        {"other": {"reference": f"Patient/{survivor['id']}"}, "type": "replaced-by"}
    ]
    assert old["active"] is False
    assert old["identifier"][0]["value"] == "9"
    assert old["meta"]["lastUpdated"] == "2024-03-04T10:30:00+01:00"
    assert survivor["active"] is True


def test_a_visit_that_is_deleted_is_withdrawn_and_its_patient_is_not_replaced() -> None:
    segment = "PV1|1|I|||||||||||||||||V1"
    [visit] = resources(message(PID, segment), "Encounter")
    patient, deletion = read_messages(message(PID, segment, kind="ADT^A23"))

    assert isinstance(patient.resource, dict)
    assert patient.resource["meta"] == {"lastUpdated": EARLIEST_VERSION}
    assert deletion.resource == Deletion(
        "", "Encounter", visit["id"], "2024-03-04T10:30:00+01:00", None
    )
    assert faults(message(PID, "PV1|1|I", kind="ADT^A23")) == [
        (3, "PV1 does not name the visit that is deleted.")
    ]


def test_the_order_of_authorities_and_an_ended_number_do_not_change_whose_record_it_is() -> None:
    pid = "PID|1||{}||A^B"
    first, second, ended = "1^^^X^MR", "2^^^Y^MR", "0^^^X^MR^^20100101^20191231"
    ids = {
        resources(message(pid.format("~".join(numbers))))[0]["id"]
        for numbers in ((first, second), (second, first), (ended, second, first))
    }
    [patient] = resources(message(pid.format(ended)))

    assert len(ids) == 1
    assert patient["identifier"][0]["period"] == {"start": "2010-01-01", "end": "2019-12-31"}


def test_a_structured_number_with_a_comparator_in_its_number_is_text() -> None:
    assert observation("OBX|1|SN|1^x||>^<5^-^6||||||F")["valueString"] == "><5-6"


@pytest.mark.parametrize(
    ("time", "event_time", "version"),
    [
        ("20240304103000.5+0100", "2020", "2024-03-04T10:30:00.500000+01:00"),
        ("", "20240304103000+0100", "2024-03-04T10:30:00+01:00"),
        ("soon", "20240304103000+0100", "2024-03-04T10:30:00+01:00"),
    ],
)
def test_the_time_of_a_message_is_the_version(time: str, event_time: str, version: str) -> None:
    [patient] = resources(message(f"EVN|A01|{event_time}", PID, time=time))

    assert patient["meta"] == {"lastUpdated": version}


def test_a_message_whose_time_is_no_time_is_refused_as_it_may_be_old() -> None:
    assert faults(message(PID, time="soon")) == [(1, "The message's time (MSH-7) is not a time.")]


def test_a_person_who_is_deleted_is_withdrawn() -> None:
    [patient] = resources(message(PID, kind="ADT^A28"))
    [result] = read_messages(message(PID, kind="ADT^A29"))

    assert result.resource == Deletion(
        "", "Patient", patient["id"], "2024-03-04T10:30:00+01:00", None
    )


@pytest.mark.parametrize(
    ("content", "line", "reason"),
    [
        ("hello\r" + A01, 1, "belongs to no message"),
        (A01 + "garbage line\r", 4, "not a segment"),
        (A01 + "MSHello\r", 4, "not a segment"),
        (message("PV1|1|I"), 2, "comes before PID"),
        (message(), 1, "no PID"),
        (message("PID|1||||A^B"), 2, "no number"),
        (message(PID, kind="SIU^S12"), 1, "SIU^S12 are not imported"),
        (message(PID, kind="ADT^A24"), 1, "ADT^A24 are not imported"),
        (message(PID, kind="Jane^Doe"), 1, "of this type are not imported"),
        (message(PID, kind="ADT^A40"), 1, "no MRG"),
        (message(PID, "MRG|123^^^HOSP&1.2.3&ISO^MR", kind="ADT^A40"), 3, "by itself"),
        (A01.replace("UNICODE UTF-8", "KLINGON"), 1, "character set"),
        (A01.replace("^~\\&", "^~\\"), 1, "separators"),
        (A01.replace("^~\\&", "^^\\&"), 1, "separators"),
        (A01.encode("latin-1"), 1, "not in its character set"),
        (A01.encode("utf-16"), 1, "UTF-16"),
        (zipped("a.hl7"), 1, "is an archive"),
        ("BHS|^~\\&\r" + A01 + "BTS|2\r", 5, "incomplete"),
        (message(PID, OBR, "OBX|1|ED|1^x||a^b||||||F", kind=ORU), 4, "type ED"),
        (message(PID, OBR, "OBX|1|Jane|1^x||a||||||F", kind=ORU), 4, "a type that"),
        (message(PID, OBR, "OBX|1|NM|||5||||||F", kind=ORU), 4, "OBX-3 is missing"),
        (message(PID, OBR, "OBX|1|NM|1^x||||||||U", kind=ORU), 4, "OBX-11 is U"),
        (message(PID.replace("|M", "|Jane")), 2, "table 0001"),
    ],
)
def test_what_cannot_be_read_is_a_fault_with_its_line(
    content: str | bytes, line: int, reason: str
) -> None:
    found = faults(content)

    assert [number for number, _ in found] == [line]
    assert reason in found[0][1]
    assert "Jane" not in found[0][1]


def test_a_bad_message_does_not_affect_others() -> None:
    content = A01 + message("PID|1") + message(PID.replace("123", "124"))

    assert len(resources_of(content)) == 2
    assert len(faults(content)) == 1


def resources_of(content: str) -> list[str]:
    return [each.resource["id"] for each in read_messages(content) if each.resource]


def test_a_message_that_is_too_large_is_skipped_as_a_whole() -> None:
    content = message(PID, *(f"DG1|{number}||E11.9" for number in range(100))) + A01
    found = read_messages(content, limits=ImportLimits(most_line_bytes=500))

    assert "larger than 500 bytes" in (found[0].fault.reason)
    assert [each.resource["resourceType"] for each in found if each.resource] == ["Patient"]
    assert len([each for each in found if each.fault]) == 1


def test_reading_continues_after_stored_results() -> None:
    content = A01 + message("PID|1") + message(PID, "DG1|1||E11.9", "PV1|1|I") + "garbage\r"
    every = read_messages(content)

    assert len(every) > 4
    for stored in range(len(every) + 1):
        assert read_messages(content, start_after=stored) == every[stored:]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r"\F\\S\\T\\R\\E\\P\\", "|^&~\\#\\"),
        (r"\X0D0A\x", "\r\nx"),
        (r"\XC3BC\\H\b\N\\Z1\\.sk3\.", "üb   ."),
        (r"half\ open", r"half\ open"),
        (r"C:\dir", r"C:\dir"),
        (r"\E\F\E\\"[:-1], r"\F" + "\\"),
        (r"\unknown\x", r"\unknown\x"),
    ],
)
def test_escape_sequences(text: str, expected: str) -> None:
    assert unescape(text, "|^~\\&", "utf-8") == expected
