"""Eligibility criteria: their language, and what it means for patients. Plain Python, no database.

`language` defines the tree. `evaluation` says what each leaf means, once, for one patient and for
sets of patients:

1. `select(leaf, terminology)` returns what the leaf reads: a `Selector`, independent of bounds and
   windows. Leaves with equal selectors share a frame.
2. `compile_leaf(leaf, terminology)` returns a function, made once. `judge(rows, subject)` returns a
   `Judgement`: outcome, reason, deciding rows, and `until`, the first instant at which time alone
   may change it. `rows` are the rows of one patient that fit the selector. A frame may leave out
   those that `selector.keeps` does not need: the judgement is the same. `Subject` has the person,
   the moment, the study, and the `Coverage` that `cover` computes from rows of all types.
3. `NumericTest.range_in(unit)` gives the bounds of an observation in the unit of the record,
   exactly, so that whole columns can be compared without `judge`.
4. `compile_fold(tree, index_of)` returns a function that combines results of leaves. Results are
   `Bits`: integers with one bit for each patient. One patient is a universe of one bit.
   `compile_rules` and `fold_rules` do so for all criteria of a study.
5. `decide(rules, found, universe)` returns verdicts as sets of bits.

`Engine` puts 1 and 2 together for one patient at a time, and `judge_study` 4 and 5.

A row is a fact made ready by `Row(fact, days)`. `Fact` has the columns of `clinical_fact`, and
`Person` those of `patient`. decisions/0060 has the reasons.
"""
