"""Names that contain the name of a condition, and mean something else."""

OTHER_NAMES = """
    ocular hypertension | portal hypertension | intracranial hypertension | white coat
    hypertension | long covid | post covid | nursing home | nursing facility | clinical
    dementia rating | tinnitus handicap inventory | anxiety sensitivity | non melanoma skin
    cancer | skin prick | alcohol use disorder identification test | alcohol use disorders
    inventory test | drug abuse screening test | hospital anxiety and depression scale | state
    trait anxiety | cancer therapy | nursing student | nursing staff | beck depression
    inventory | asthma control test | basal cell carcinoma | carcinoma in situ | diabetes
    prevention | hamilton depression | hamilton anxiety | geriatric depression scale |
    autoimmune hepatitis b
"""
