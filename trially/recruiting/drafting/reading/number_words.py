"""Numbers that texts write as words."""

_UNITS = (
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"
    " sixteen seventeen eighteen nineteen"
)
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"

NUMBER_WORDS = {
    **{word: number for number, word in enumerate(_UNITS.split(), 1)},
    **{word: number * 10 for number, word in enumerate(_TENS.split(), 2)},
}
"""Their values. `twenty-one` is the sum of its words."""
