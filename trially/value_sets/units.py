"""Units of measurement in UCUM's notation: `mg/dL`, `10*3/uL`, `mm[Hg]`."""

import re

LONGEST_UNIT = 40

_PREFIX = "Y|Z|E|P|T|G|M|k|h|da|d|c|m|u|n|p|f|a|z|y"
_METRIC = (
    "m|s|g|rad|K|C|cd|mol|sr|Hz|N|Pa|J|W|A|V|F|Ohm|S|Wb|Cel|T|H|lm|lx|Bq|Gy|Sv|l|L|ar|t|bar|u|eV|"
    r"eq|osm|cal|kat|U|B|bit|By|\[iU\]|\[IU\]|m\[H2O\]|m\[Hg\]"
)
_OTHER = (
    r"%|\[ppth\]|\[ppm\]|\[ppb\]|\[pptr\]|min|h|d|a|wk|mo|mo_j|a_j|deg|'|''|gon|"
    r"\[degF\]|\[in_i\]|\[ft_i\]|\[yd_i\]|\[mi_i\]|\[lb_av\]|\[oz_av\]|\[pH\]|\[drp\]|\[hpf\]|\[lpf\]|"
    r"\[arb'U\]|\[CFU\]|\[PFU\]|\[APL'U\]|\[GPL'U\]|\[MPL'U\]|\[USP'U\]|\[tsp_us\]|\[tbs_us\]|"
    r"\[cup_us\]|\[foz_us\]|\[gal_us\]|\[pt_us\]|\[qt_us\]|\[diop\]|\[Ch\]|\[FEU\]|\[ddu\]"
)
_ANNOTATIONS = (
    r"score|T-score|Z-score|1\.73_m2|count|#|beats|breaths|ratio|index|INR|titer|copies|cells|RBC|WBC|rbc|wbc|nominal|T|Pack|"
    "pack|years|events|visits|doses|tbl|tablets|capsules|percent|units|M.o.M|a|ph|pH|S_CO_RATIO|"
    "drinks|cig|mmol|creat|Creat"
)
_ATOM = rf"(?:(?:{_PREFIX})?(?:{_METRIC})|{_OTHER}|10[*^]|\d{{1,6}})(?:[+-]?\d{{1,2}})?"
_PART = rf"(?:{_ATOM}(?:\{{(?:{_ANNOTATIONS})\}})?|\{{(?:{_ANNOTATIONS})\}})"
_UNIT = re.compile(rf"/?{_PART}(?:[./]{_PART}){{0,4}}", re.ASCII)


def is_unit(text: str) -> bool:
    """Return whether a text is a unit. Annotations in braces are free text, except for some."""
    return len(text) <= LONGEST_UNIT and _UNIT.fullmatch(text) is not None
