"""Analytes of haematology and coagulation."""

from trially.recruiting.criteria.units.analyte import Analyte, analyte, unit
from trially.recruiting.criteria.units.sources import DEFINITION, SAME, UCUM, molar_mass


def _cells(name: str, loinc: str, digits: int) -> Analyte:
    """Return an analyte that is counted in thousands per microlitre."""
    return analyte(
        name,
        loinc,
        unit("10*3/uL", "1", digits, DEFINITION),
        unit("10*9/L", "1", digits, UCUM),
        unit("10*6/mL", "1", digits, UCUM),
        unit("/uL", "0.001", 0, UCUM),
        unit("10*6/L", "0.001", 0, UCUM),
        unit("/L", "0.000000001", 0, UCUM),
    )


HAEMATOLOGY: tuple[Analyte, ...] = (
    analyte(
        "haemoglobin",
        "718-7 20509-6 30313-1 30350-3 59260-0",
        unit("g/dL", "1", 1, DEFINITION),
        unit("g/L", "0.1", 0, UCUM),
        unit("mmol/L", "1.6114", 1, molar_mass("16114", "a haemoglobin subunit with haem")),
    ),
    analyte(
        "haematocrit",
        "4544-3 20570-8 71833-8 48703-3",
        unit("%", "1", 1, DEFINITION),
        unit("L/L", "100", 2, UCUM),
    ),
    _cells("platelets", "777-3 26515-7 778-1", 0),
    _cells("leukocytes", "6690-2 26464-8 804-5", 1),
    _cells("neutrophils", "751-8 26499-4 753-4", 1),
    _cells("lymphocytes", "731-0 26474-7 732-8", 1),
    _cells("eosinophils", "711-2 26449-9 712-0", 1),
    _cells("monocytes", "742-7 26484-6 743-5", 1),
    _cells("CD4 cells", "24467-3", 3),
    analyte(
        "erythrocytes",
        "789-8 26453-1 790-6",
        unit("10*6/uL", "1", 2, DEFINITION),
        unit("10*12/L", "1", 2, UCUM),
    ),
    analyte(
        "INR",
        "6301-6 34714-6 46418-0 38875-1",
        unit("1", "1", 1, DEFINITION),
        unit("[INR]", "1", 1, SAME),
    ),
    analyte("prothrombin time", "5902-2 5964-2", unit("s", "1", 1, DEFINITION)),
    analyte("aPTT", "3173-2 14979-9 5898-2", unit("s", "1", 1, DEFINITION)),
    analyte(
        "fibrinogen",
        "3255-7",
        unit("mg/dL", "1", 0, DEFINITION),
        unit("g/L", "100", 2, UCUM),
        unit("umol/L", "34", 1, "Molar mass of fibrinogen: 340 kg/mol (AMA Manual of Style)"),
    ),
    analyte(
        "ferritin",
        "2276-4 20567-4",
        unit("ng/mL", "1", 0, DEFINITION),
        unit("ug/L", "1", 0, UCUM),
    ),
    analyte(
        "iron",
        "2498-4 14798-3",
        unit("ug/dL", "1", 0, DEFINITION),
        unit("umol/L", "5.5845", 1, molar_mass("55.845", "iron")),
        unit("ug/L", "0.1", 0, UCUM),
    ),
)
