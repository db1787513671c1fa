"""Spellings of units: sources write one unit in many ways, and not always as UCUM does."""

import re
from functools import lru_cache

NO_UNIT = "1"
"""The unit of numbers without one: ratios, scores, indices."""

_PER_BODY_SURFACE = re.compile(
    r"/?[{(]?/?1[.,]73\s?[_. ]?\s?(?:sq\.?\s?m|m\s?[*^]?\s?[²2])[})]?", re.IGNORECASE
)
_KEPT_ANNOTATIONS = re.compile(r"\{(?!1\.73_m2\}|FEU\}|DDU\}|copies\})[^{}]*\}")
_POWER = re.compile(r"^[x\u00d7*]?\s*10\s*(?:\*\*|[*^eE])\s*(\d{1,2})(?=/|$)")
_THOUSANDS = re.compile(r"^(?:K|k|TH|th|Th|thou|thousands?|Thousands?|Thou)(?:/|\s?per\s?)(?=[um])")
_MILLIONS = re.compile(r"^(?:M|m|mil|million|millions|Million|Mil)(?:/|\s?per\s?)(?=u[lL]|mm3)")
_WORDS = {
    **dict.fromkeys(("mmHg", "mm Hg", "mmhg", "MMHG", "torr", "mm_Hg"), "mm[Hg]"),
    **dict.fromkeys(("C", "degC", "deg C", "°C", "Celsius", "celsius", "DegC"), "Cel"),
    **dict.fromkeys(("F", "degF", "deg F", "°F", "Fahrenheit", "fahrenheit", "DegF"), "[degF]"),
    **dict.fromkeys(("lb", "lbs", "LB", "pounds", "lb_av"), "[lb_av]"),
    **dict.fromkeys(("oz", "ounces", "oz_av"), "[oz_av]"),
    **dict.fromkeys(("in", "inch", "inches", "in_us", "[in_us]", "in_i"), "[in_i]"),
    **dict.fromkeys(("ft", "feet", "[ft_us]", "ft_i"), "[ft_i]"),
    **dict.fromkeys(("percent", "Percent", "pct", "PCT"), "%"),
    **dict.fromkeys(("sec", "secs", "second", "seconds", "Sec"), "s"),
    **dict.fromkeys(("bpm", "beats/min", "breaths/min", "Beats/min", "BPM"), "/min"),
    **dict.fromkeys(("INR", "ratio", "Ratio", "(score)", "score", "index", "points"), NO_UNIT),
    **dict.fromkeys(("units/L", "Units/L", "unit/L"), "U/L"),
}
_PARTS = {
    **dict.fromkeys(("dl", "DL"), "dL"),
    **dict.fromkeys(("ml", "ML", "cc"), "mL"),
    **dict.fromkeys(("ul", "UL", "mm3", "mm^3", "mm*3", "cmm"), "uL"),
    **dict.fromkeys(("l", "liter", "litre"), "L"),
    **dict.fromkeys(("mcg", "MCG", "ug", "UG"), "ug"),
    **dict.fromkeys(("gm", "gms", "gram", "grams", "G"), "g"),
    **dict.fromkeys(("MG", "mgs"), "mg"),
    **dict.fromkeys(("NG",), "ng"),
    **dict.fromkeys(("MMOL", "mM", "mmols"), "mmol"),
    **dict.fromkeys(("mEq", "MEQ", "mEQ", "meq"), "meq"),
    **dict.fromkeys(("IU", "iU", "iu"), "[IU]"),
    **dict.fromkeys(("mIU", "miu", "MIU", "m[iU]", "mU"), "m[IU]"),
    **dict.fromkeys(("uIU", "uiu", "UIU", "u[iU]", "uU"), "u[IU]"),
    **dict.fromkeys(("kIU", "k[iU]", "kU"), "k[IU]"),
    **dict.fromkeys(("[iU]",), "[IU]"),
    **dict.fromkeys(("m^2", "m*2", "m²"), "m2"),
    **dict.fromkeys(("cells", "cell", "Cells"), ""),
    **dict.fromkeys(("minute", "Min", "MIN"), "min"),
}


@lru_cache(maxsize=4096)
def normalise(unit: str | None) -> str:
    """Return the one spelling of a unit that all its known spellings have in common.

    A missing unit is `NO_UNIT`. What is not known is returned without blanks.
    """
    text = "" if unit is None else unit.strip().replace("µ", "u").replace("μ", "u")
    if not text:
        return NO_UNIT
    text = _PER_BODY_SURFACE.sub("/{1.73_m2}", text)
    text = _KEPT_ANNOTATIONS.sub("", text) or NO_UNIT
    text = _WORDS.get(text, text)
    text = _POWER.sub(r"10*\1", text.replace(" per ", "/").replace(" ", ""))
    text = _THOUSANDS.sub("10*3/", text)
    text = _MILLIONS.sub("10*6/", text)
    text = _WORDS.get(text, text)
    parts = [_PARTS.get(part, part) for part in text.split("/")]
    return "/".join(parts) or NO_UNIT
