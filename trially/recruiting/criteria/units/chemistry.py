"""Analytes of clinical chemistry: reviewed factors, each with its source.

Factors lead to the first unit. It has mass in it, because mmol/L x molar mass is an exact decimal,
and the inverse is not.
"""

from trially.recruiting.criteria.units.analyte import Analyte, Unit, analyte, unit
from trially.recruiting.criteria.units.sources import (
    CHARGE,
    DEFINITION,
    KATAL,
    NGSP,
    NORMALISED,
    SAME,
    UCUM,
    molar_mass,
)


def _mg_per_dl(digits: int) -> Unit:
    return unit("mg/dL", "1", digits, DEFINITION)


def _electrolyte(name: str, loinc: str) -> Analyte:
    return analyte(
        name,
        loinc,
        unit("mmol/L", "1", 1, DEFINITION),
        unit("meq/L", "1", 1, CHARGE),
    )


def _enzyme(name: str, loinc: str) -> Analyte:
    return analyte(
        name,
        loinc,
        unit("U/L", "1", 0, DEFINITION),
        unit("[IU]/L", "1", 0, SAME),
        unit("ukat/L", "60", 2, KATAL),
        unit("nkat/L", "0.06", 0, KATAL),
    )


def _cholesterol(name: str, loinc: str) -> Analyte:
    source = molar_mass("386.65", "cholesterol")
    return analyte(
        name,
        loinc,
        _mg_per_dl(0),
        unit("mmol/L", "38.665", 1, source),
        unit("g/L", "100", 2, UCUM),
    )


def _bilirubin(name: str, loinc: str) -> Analyte:
    source = molar_mass("584.67", "bilirubin")
    return analyte(
        name,
        loinc,
        _mg_per_dl(1),
        unit("umol/L", "0.058467", 0, source),
        unit("mg/L", "0.1", 0, UCUM),
    )


def _protein(name: str, loinc: str) -> Analyte:
    return analyte(
        name,
        loinc,
        unit("g/dL", "1", 1, DEFINITION),
        unit("g/L", "0.1", 0, UCUM),
        unit("mg/dL", "0.001", 0, UCUM),
    )


def _calcium(name: str, loinc: str) -> Analyte:
    source = molar_mass("40.078", "calcium")
    return analyte(
        name,
        loinc,
        _mg_per_dl(1),
        unit("mmol/L", "4.0078", 2, source),
        unit("meq/L", "2.0039", 2, f"{source}. {CHARGE}"),
    )


CHEMISTRY: tuple[Analyte, ...] = (
    analyte(
        "HbA1c",
        "4548-4 17856-6 17855-8 4549-2 55454-3 59261-8",
        unit("%", "1", 1, DEFINITION),
        unit("mmol/mol", "0.09148", 0, NGSP, offset="2.152"),
        # In percent, the code of the IFCC's protocol has another scale: 5.3 % is 7.0 % of NGSP.
        misread=[("59261-8", "%")],
    ),
    analyte(
        "glucose",
        "2345-7 2339-0 2341-6 1558-6 1547-9 1518-0 10449-7 14749-6 15074-8 14771-0 41653-7 76629-5",
        _mg_per_dl(0),
        unit("mmol/L", "18.0156", 1, molar_mass("180.156", "glucose")),
        unit("g/L", "100", 2, UCUM),
    ),
    analyte(
        "creatinine",
        "2160-0 38483-4 14682-9 77140-2",
        _mg_per_dl(2),
        unit("umol/L", "0.011312", 0, molar_mass("113.12", "creatinine")),
        unit("mmol/L", "11.312", 3, molar_mass("113.12", "creatinine")),
        unit("mg/L", "0.1", 1, UCUM),
    ),
    analyte(
        "eGFR",
        "33914-3 48642-3 48643-1 62238-1 69405-9 77147-7 88293-6 88294-4 98979-8 98980-6 50044-7"
        " 50210-4 70969-1",
        unit("mL/min/{1.73_m2}", "1", 0, DEFINITION),
        unit("mL/min", "1", 0, NORMALISED),
        unit("mL/s/{1.73_m2}", "60", 2, UCUM),
    ),
    analyte(
        "creatinine clearance",
        "2164-2",
        unit("mL/min", "1", 0, DEFINITION),
        unit("mL/s", "60", 2, UCUM),
    ),
    analyte(
        "urea nitrogen",
        "3094-0 6299-2 14937-7 22664-7",
        _mg_per_dl(0),
        unit("mmol/L", "2.8014", 1, molar_mass("28.014", "the two nitrogen atoms of urea")),
    ),
    analyte(
        "urea",
        "3091-6",
        _mg_per_dl(0),
        unit("mmol/L", "6.0056", 1, molar_mass("60.056", "urea")),
        unit("g/L", "100", 2, UCUM),
    ),
    _electrolyte("sodium", "2951-2 2947-0"),
    _electrolyte("potassium", "2823-3 6298-4"),
    _electrolyte("chloride", "2075-0 2069-3"),
    _electrolyte("bicarbonate", "1963-8 1959-6 2028-9 20565-8"),
    _calcium("calcium", "17861-6 49765-1 2000-8"),
    _calcium("ionized calcium", "1995-0 1994-3 17863-2"),
    analyte(
        "magnesium",
        "19123-9 2601-3",
        _mg_per_dl(1),
        unit("mmol/L", "2.4305", 2, molar_mass("24.305", "magnesium")),
        unit("meq/L", "1.21525", 1, f"{molar_mass('24.305', 'magnesium')}. {CHARGE}"),
    ),
    analyte(
        "phosphate",
        "2777-1 14879-1",
        _mg_per_dl(1),
        unit("mmol/L", "3.0974", 2, molar_mass("30.974", "phosphorus")),
    ),
    analyte(
        "uric acid",
        "3084-1 14933-6",
        _mg_per_dl(1),
        unit("umol/L", "0.016811", 0, molar_mass("168.11", "uric acid")),
        unit("mmol/L", "16.811", 2, molar_mass("168.11", "uric acid")),
    ),
    _protein("albumin", "1751-7 61151-7 2862-1"),
    _protein("total protein", "2885-2"),
    _protein("globulin", "10834-0 2336-6"),
    _bilirubin("total bilirubin", "1975-2 42719-5 14631-6"),
    _bilirubin("direct bilirubin", "1968-7 14629-0"),
    _bilirubin("indirect bilirubin", "1971-1 14630-8"),
    _enzyme("ALT", "1742-6 1743-4 1744-2"),
    _enzyme("AST", "1920-8 30239-8 88112-8"),
    _enzyme("alkaline phosphatase", "6768-6"),
    _enzyme("gamma-GT", "2324-2"),
    _enzyme("LDH", "2532-0 14804-9"),
    _enzyme("creatine kinase", "2157-6"),
    _enzyme("lipase", "3040-3"),
    _enzyme("amylase", "1798-8"),
    _cholesterol("total cholesterol", "2093-3 14647-2"),
    _cholesterol("HDL cholesterol", "2085-9 14646-4"),
    _cholesterol("LDL cholesterol", "13457-7 18262-6 2089-1 22748-8 39469-2"),
    _cholesterol("non-HDL cholesterol", "43396-1 70204-3"),
    analyte(
        "triglycerides",
        "2571-8 14927-8",
        _mg_per_dl(0),
        unit("mmol/L", "88.57", 1, "Conventional molar mass 885.7 g/mol (AMA Manual of Style)"),
        unit("g/L", "100", 2, UCUM),
    ),
    analyte(
        "lactate",
        "2524-7 32693-4 14118-4 2519-7",
        _mg_per_dl(1),
        unit("mmol/L", "9.008", 1, molar_mass("90.08", "lactic acid")),
    ),
    analyte(
        "CRP",
        "1988-5 30522-7",
        unit("mg/L", "1", 1, DEFINITION),
        unit("mg/dL", "10", 2, UCUM),
        unit("ug/mL", "1", 1, UCUM),
    ),
    analyte(
        "urine albumin to creatinine ratio",
        "9318-7 14959-1 30000-4 32294-1",
        unit("mg/mmol", "1", 1, DEFINITION),
        unit("mg/g", "0.11312", 0, molar_mass("113.12", "creatinine")),
        unit("ug/mg", "0.11312", 0, molar_mass("113.12", "creatinine")),
        unit("g/mol", "1", 1, UCUM),
    ),
)
