"""Where the factors of the unit table are from."""

UCUM = "UCUM 2.2, metric prefixes and customary units"
DEFINITION = "The first unit of the analyte"
SAME = "UCUM 2.2: another name of the same unit"
NGSP = "NGSP/IFCC master equation: NGSP % = 0.09148 x IFCC mmol/mol + 2.152 (ngsp.org/ifcc.asp)"
KATAL = "SI: 1 kat is 1 mol/s, and 1 U is 1 umol/min, so 1 ukat is 60 U"
CHARGE = "Valence of the ion: 1 mmol is as many meq as it has charges"
TEMPERATURE = "SI: degF = Cel x 1.8 + 32, K = Cel + 273.15"
MERCURY = "UCUM 2.2: m[Hg] is 133.322 kPa"
POUND = "International yard and pound agreement of 1959: 1 lb is 0.45359237 kg, 1 in is 2.54 cm"
NORMALISED = "LOINC: the code is normalised to 1.73 m2, whatever the spelling of the unit"


def molar_mass(grams: str, substance: str) -> str:
    """Return the source of a factor that is a molar mass."""
    return f"Molar mass of {substance}: {grams} g/mol (PubChem, IUPAC 2021 atomic weights)"
