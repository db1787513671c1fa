"""Units of measurement as texts write them, and their UCUM codes."""

import re

_SPELLINGS = {
    "%": "% |percent",
    "mmol/mol": "mmol/mol",
    "mg/dL": "mg/dl|mg per dl|mg%",
    "mg/L": "mg/l",
    "mmol/L": "mmol/l|mm/l|mmol per liter",
    "umol/L": "umol/l|mcmol/l|micromol/l|umol per liter",
    "nmol/L": "nmol/l",
    "pmol/L": "pmol/l",
    "g/dL": "g/dl|gm/dl|gr/dl|g%",
    "g/L": "g/l",
    "U/L": "u/l|iu/l|units/l",
    "m[IU]/L": "miu/l|mu/l|uiu/ml|uu/ml|mcu/ml|mciu/ml",
    "ng/mL": "ng/ml|ug/l|mcg/l",
    "ng/dL": "ng/dl",
    "ng/L": "ng/l",
    "pg/mL": "pg/ml",
    "ug/mL": "ug/ml|mcg/ml",
    "meq/L": "meq/l",
    "mg/g": "mg/g",
    "mg/mmol": "mg/mmol",
    "mm[Hg]": "mmhg|mm hg|mm of hg|mm/hg",
    "kg/m2": "kg/m2|kg/m^2|kg/m 2|kg per m2|kg/sq m|kg/m squared|kg/square meter|kg/ m2",
    "mL/min/{1.73_m2}": (
        "ml/min/1.73m2|ml/min/1.73 m2|ml/min per 1.73 m2|ml/min per 1.73m2|ml/min/1.73m^2|"
        "ml/min/1.73 m^2|ml/min/1.73 m 2|ml/min/1.73|ml/min /1.73 m2|ml/min/1,73m2|ml/min/1,73 m2|"
        "ml per min per 1.73 m2|ml/minute/1.73 m2|ml/minute/1.73m2|ml/min/m2|ml/min.1.73m2"
    ),
    "mL/min": "ml/min|ml/minute|ml per minute|cc/min",
    "/min": "bpm|beats/min|beats per minute|beats/minute|breaths/min|breaths per minute|/min",
    "kg": "kg|kilograms|kilogram|kgs",
    "[lb_av]": "lbs|lb|pounds",
    "cm": "cm|centimeters",
    "ms": "msec|ms|milliseconds",
    "Cel": "degrees c|degrees celsius|\u00b0 c|\u00b0c|c",
    "[degF]": "degrees f|degrees fahrenheit|\u00b0 f|\u00b0f",
    "10*9/L": "10^9/l|10 9/l|109/l|10*9/l|10e9/l|10^9 cells/l|10^9 /l|g/l cells|10^9/liter",
    "10*3/uL": "10^3/ul|103/ul|k/ul|10*3/ul|k/mm3|10^3/mm3|103/mm3|10^3/mcl|k/mcl|thousand/ul",
    "/uL": (
        "/mm3|/mm^3|cells/mm3|cells/mm^3|/ul|cells/ul|/mcl|cells/mcl|per mm3|per ul|/mm 3|"
        "per microliter|cells per microliter|cells per mm3|per cubic millimeter|/cu mm|mm3|/mmc"
    ),
    "{score}": "points|point",
}


def _pattern(spelling: str) -> str:
    escaped = re.escape(spelling.strip()).replace(r"\ ", " ?").replace("/", " ?/ ?")
    is_count = spelling.startswith(("10", "k/", "thousand"))
    return (r"(?:x ?)?" if is_count else "") + escaped


_UCUM = {
    _pattern(spelling): ucum
    for ucum, spellings in _SPELLINGS.items()
    for spelling in spellings.split("|")
}
_ORDERED = sorted(_UCUM, key=len, reverse=True)
_UNIT = re.compile("|".join(f"(?P<u{index}>{pattern})" for index, pattern in enumerate(_ORDERED)))
_LIMIT = re.compile(
    r"(?:x|times|\*|fold)? ?(?:the |of )?(?:the )?(?:institutional |laboratory |local |lab )?"
    r"(?:(?P<ULN>uln|upper (?:limits?|level|range)(?: of| or)? (?:the )?normal(?: range| limits?)?)"
    r"|(?P<LLN>lln|lower limits? of (?:the )?normal(?: range)?))(?: ?\((?:uln|lln)\))?"
)
_ENDS = re.compile(r"(?![a-z0-9/^])")


def read_unit(text: str, at: int) -> tuple[str, int] | None:
    """Return the UCUM code of the unit at a position, and where it ends, or None.

    Multiples of a limit of the reference range have the unit `ULN` or `LLN`.
    """
    limit = _LIMIT.match(text, at)
    if limit is not None and _ENDS.match(text, limit.end()):
        return limit.lastgroup or "ULN", limit.end()
    match = _UNIT.match(text, at)
    if match is None or match.lastgroup is None or not _ENDS.match(text, match.end()):
        return None
    return _UCUM[_ORDERED[int(match.lastgroup[1:])]], match.end()
