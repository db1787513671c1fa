"""Hormones, vitamins and markers."""

from trially.recruiting.criteria.units.analyte import Analyte, analyte, unit
from trially.recruiting.criteria.units.sources import DEFINITION, SAME, UCUM, molar_mass

HORMONES: tuple[Analyte, ...] = (
    analyte(
        "TSH",
        "3016-3 11580-8 11579-0",
        unit("m[IU]/L", "1", 2, DEFINITION),
        unit("u[IU]/mL", "1", 2, UCUM),
        unit("[IU]/L", "1000", 5, UCUM),
    ),
    analyte(
        "free T4",
        "3024-7 14920-3",
        unit("ng/dL", "1", 2, DEFINITION),
        unit("pmol/L", "0.077687", 1, molar_mass("776.87", "thyroxine")),
        unit("ng/L", "0.1", 1, UCUM),
        unit("pg/mL", "0.1", 1, UCUM),
    ),
    analyte(
        "free T3",
        "3051-0 14928-6",
        unit("pg/mL", "1", 1, DEFINITION),
        unit("ng/L", "1", 1, UCUM),
        unit("pmol/L", "0.65097", 1, molar_mass("650.97", "triiodothyronine")),
        unit("ng/dL", "10", 2, UCUM),
    ),
    analyte(
        "PSA",
        "2857-1 83112-3",
        unit("ng/mL", "1", 2, DEFINITION),
        unit("ug/L", "1", 2, UCUM),
    ),
    analyte(
        "25-hydroxyvitamin D",
        "62292-8 1989-3 14635-7",
        unit("ng/mL", "1", 1, DEFINITION),
        unit("ug/L", "1", 1, UCUM),
        unit("nmol/L", "0.40064", 0, molar_mass("400.64", "25-hydroxyvitamin D3")),
    ),
    analyte(
        "vitamin B12",
        "2132-9 14685-2",
        unit("pg/mL", "1", 0, DEFINITION),
        unit("ng/L", "1", 0, UCUM),
        unit("pmol/L", "1.35537", 0, molar_mass("1355.37", "cobalamin")),
    ),
    analyte(
        "testosterone",
        "2986-8 14913-8",
        unit("ng/dL", "1", 0, DEFINITION),
        unit("nmol/L", "28.842", 1, molar_mass("288.42", "testosterone")),
        unit("ng/mL", "100", 2, UCUM),
        unit("ug/L", "100", 2, UCUM),
    ),
    analyte(
        "cortisol",
        "2143-6 14675-3",
        unit("ug/dL", "1", 1, DEFINITION),
        unit("nmol/L", "0.036246", 0, molar_mass("362.46", "cortisol")),
    ),
    analyte(
        "NT-proBNP",
        "33762-6",
        unit("pg/mL", "1", 0, DEFINITION),
        unit("ng/L", "1", 0, UCUM),
        unit("pmol/L", "8.457", 1, molar_mass("8457", "NT-proBNP")),
    ),
    analyte(
        "BNP",
        "30934-4 42637-9",
        unit("pg/mL", "1", 0, DEFINITION),
        unit("ng/L", "1", 0, UCUM),
        unit("pmol/L", "3.464", 1, molar_mass("3464", "BNP-32")),
    ),
    analyte(
        "total IgE",
        "19113-0",
        unit("k[IU]/L", "1", 0, DEFINITION),
        unit("[IU]/mL", "1", 0, UCUM),
        unit("U/mL", "1", 0, SAME),
    ),
)
