"""Conditions of metabolism, hormones and pregnancy.

An entry has ICD-10-CM prefixes; SNOMED CT codes; and where it applies, `state` for codes of a
state after an event, `procedure` for procedures, `unrecorded` for what records often lack. The
prefixes were checked against the ICD-10-CM of 2026, the SNOMED CT codes by their check digits.
"""

METABOLISM = """
type_2_diabetes = E11; 44054006
    type 2 diabetes | type 2 diabetes mellitus | type ii diabetes | type ii diabetes mellitus |
    t2dm | t2d | dm2 | dmt2 | diabetes mellitus type 2 | diabetes type 2 | diabetes mellitus type
    ii | diabetes type ii | type 2 dm | type ii dm | dm type 2 | type2 diabetes | non insulin
    dependent diabetes | niddm | type 2 diabetes mellitus (t2dm) | type 2 diabetes (t2d) | type 2
    diabetes (t2dm) | diabetes mellitus type 2 (t2dm) | type 2 diabetes mellitus (t2d)
type_1_diabetes = E10; 46635009
    type 1 diabetes | type 1 diabetes mellitus | type i diabetes | type i diabetes mellitus | t1dm
    | t1d | dm1 | diabetes mellitus type 1 | diabetes type 1 | type 1 dm | type i dm | type1
    diabetes | insulin dependent diabetes | iddm | autoimmune diabetes | diabetes mellitus type i
    | type 1 diabetes mellitus (t1dm) | type 1 diabetes (t1d)
type_1_or_2_diabetes = E10 E11; 44054006 46635009
    type 1 or type 2 diabetes | type 1 or 2 diabetes | type 1 or type 2 diabetes mellitus | type 1
    or 2 diabetes mellitus | diabetes mellitus type 1 or 2 | diabetes type 1 or 2 | type 1
    diabetes or type 2 diabetes | type i or type ii diabetes | type i or ii diabetes | type 1 and
    type 2 diabetes | type 1 and 2 diabetes | type 1 or type 2 dm | t1d or t2d | diabetes type 1
    or type 2 | diabetes mellitus type 1 or type 2 | t1dm or t2dm | type 1 and type 2 diabetes
    mellitus | type 1 or type 2 (dm) | type i or ii diabetes mellitus
diabetes = E08 E09 E10 E11 E13; 73211009
    diabetes | diabetes mellitus | diabete mellitus | dm | diabetic | diabetes mellitus (dm) |
    diabetic patient | diabetic subject
gestational_diabetes = O24.4; 11687002
    gestational diabetes | gestational diabetes mellitus | gdm
prediabetes = R73.03; 15777000
    prediabetes | pre diabetes | borderline diabetes
diabetic_ketoacidosis = E10.1 E11.1 E13.1; 420422005
    diabetic ketoacidosis | dka | ketoacidosis | diabetic ketoacidosis (dka)
diabetic_retinopathy = E10.3 E11.3 E13.3; 4855003
    diabetic retinopathy
diabetic_neuropathy = E10.4 E11.4 E13.4; 230572002
    diabetic neuropathy | diabetic peripheral neuropathy | diabetic polyneuropathy
diabetic_nephropathy = E10.2 E11.2 E13.2; 127013003
    diabetic nephropathy | diabetic kidney disease
hypoglycemia = E16.0 E16.1 E16.2 E10.64 E11.64; 302866003
    hypoglycemia
diabetes_insipidus = E23.2 N25.1; 15771004
    diabetes insipidus | insipid diabetes
obesity = E66; 414916001
    obesity | obese
hyperlipidemia = E78.0 E78.1 E78.2 E78.3 E78.4 E78.5; 55822004
    hyperlipidemia | dyslipidemia | hypercholesterolemia | hyperlipidaemia
cystic_fibrosis = E84; 190905008
    cystic fibrosis
hypothyroidism = E00 E01.8 E02 E03 E89.0; 40930008
    hypothyroidism
hyperthyroidism = E05; 34486009
    hyperthyroidism
thyroid_disease = E00 E01 E02 E03 E04 E05 E06 E07; 14304000
    thyroid disease | thyroid disorder
hyperparathyroidism = E21.0 E21.1 E21.2 E21.3; 66999008
    hyperparathyroidism
cushings_syndrome = E24; 47270006
    cushing's syndrome | cushing syndrome | cushing's disease
adrenal_insufficiency = E27.1 E27.2 E27.3 E27.4; 386584007
    adrenal insufficiency | addison's disease
polycystic_ovary_syndrome = E28.2; 237055002
    polycystic ovary syndrome | pcos | polycystic ovarian syndrome
multiple_endocrine_neoplasia_2 = E31.22 E31.23; 61808009
    multiple endocrine neoplasia type 2 | men 2 | men2 | multiple endocrine neoplasia syndrome
    type 2
osteoporosis = M80 M81; 64859006
    osteoporosis
metabolic_syndrome = E88.81; 237602007
    metabolic syndrome
malnutrition = E40 E41 E42 E43 E44 E45 E46; 248325000
    malnutrition
preeclampsia = O14; 398254007
    preeclampsia | pre eclampsia
breastfeeding = Z39.1; 413712001; unrecorded
    breastfeeding | breast feeding | lactating | lactation | nursing | breastfeed | lactating
    mother | nursing mother | lactating female | lactating woman | nursing woman | breast feeding
    mother
gilberts_syndrome = E80.4; 27503000
    gilbert's disease | gilbert's syndrome | gilbert syndrome | gilbert disease
hypercalcemia = E83.52; 66931009
    hypercalcemia
hyperkalemia = E87.5; 14140009
    hyperkalemia
hypokalemia = E87.6; 43339004
    hypokalemia
hyponatremia = E87.1; 89627008
    hyponatremia
porphyria = E80.0 E80.1 E80.2; 418470004
    porphyria
phenylketonuria = E70.0 E70.1; 7573000
    phenylketonuria | pku
hemochromatosis = E83.11; 399187006
    hemochromatosis
wilsons_disease = E83.01; 88518009
    wilson's disease | wilson disease
alpha_1_antitrypsin_deficiency = E88.01; 30188007
    alpha 1 antitrypsin deficiency
hypogonadism = E29.1 E28.3 E23.0; 48130008
    hypogonadism
acromegaly = E22.0; 74107003
    acromegaly
vitamin_d_deficiency = E55; 34713006
    vitamin d deficiency
hyperuricemia = E79.0; 35885006
    hyperuricemia
hypertriglyceridemia = E78.1; 302870006
    hypertriglyceridemia
endometriosis = N80; 129103003
    endometriosis
"""
