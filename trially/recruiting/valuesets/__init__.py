"""Value sets: named sets of codes that criteria refer to, with versions and stored expansions.

`trially.value_sets` is something else: what masked members see of free text.
"""
