"""Cancers, and conditions of the blood and of immunity.

An entry has ICD-10-CM prefixes; SNOMED CT codes; and where it applies, `state` for codes of a
state after an event, `procedure` for procedures, `unrecorded` for what records often lack. The
prefixes were checked against the ICD-10-CM of 2026, the SNOMED CT codes by their check digits.
"""

CANCER = """
breast_cancer = C50; 254837009
    breast cancer | cancer of the breast | breast carcinoma | carcinoma of the breast
lung_cancer = C34; 93880001
    lung cancer | lung carcinoma | cancer of the lung
prostate_cancer = C61; 399068003
    prostate cancer | cancer of the prostate
colorectal_cancer = C18 C19 C20; 93761005
    colorectal cancer | colon cancer | colorectal carcinoma
pancreatic_cancer = C25; 363418001
    pancreatic cancer
hepatocellular_carcinoma = C22.0; 109841003
    hepatocellular carcinoma | hcc
cervical_cancer = C53; 363354003
    cervical cancer
ovarian_cancer = C56; 363443007
    ovarian cancer
thyroid_cancer = C73; 363478007
    thyroid cancer
medullary_thyroid_carcinoma = ; 255032005
    medullary thyroid carcinoma | medullary thyroid cancer
skin_cancer = C43 C44; 372130007
    skin cancer
melanoma = C43; 372244006
    melanoma | malignant melanoma
bladder_cancer = C67; 399326009
    bladder cancer
lymphoma = C81 C82 C83 C84 C85 C86 C88; 118600007
    lymphoma
leukemia = C91 C92 C93 C94 C95; 93143009
    leukemia
multiple_myeloma = C90.0; 109989006
    multiple myeloma
cancer = C; 363346000
    cancer | malignancy | malignant neoplasm | malignant tumor | malignant disease | carcinoma |
    cancer diagnosis
anemia = D50 D51 D52 D53 D55 D56 D57 D58 D59 D60 D61 D62 D63 D64; 271737000
    anemia | anemic
sickle_cell_disease = D57; 417357006
    sickle cell disease | sickle cell anemia
hemophilia = D66 D67; 90935002
    hemophilia
thrombocytopenia = D69.3 D69.4 D69.5 D69.6; 302215000
    thrombocytopenia
bleeding_disorder = D65 D66 D67 D68 D69; 64779008
    bleeding disorder | coagulopathy | coagulation disorder | hemorrhagic disorder | bleeding
    diathesis | clotting disorder
brain_metastases = C79.3; 94225005
    brain metastasis | brain metastases | cns metastases | cns metastasis | central nervous system
    metastases | central nervous system (cns) metastases
liver_metastases = C78.7; 94381002
    liver metastasis | liver metastases | hepatic metastases
metastatic_cancer = C77 C78 C79; 128462008
    metastatic disease | metastatic cancer | metastases | distant metastases | metastasis
acute_myeloid_leukemia = C92.0; 91861009
    acute myeloid leukemia | acute myelogenous leukemia | aml
chronic_lymphocytic_leukemia = C91.1; 92814006
    chronic lymphocytic leukemia | cll
acute_lymphoblastic_leukemia = C91.0; 91857003
    acute lymphoblastic leukemia | acute lymphocytic leukemia
chronic_myeloid_leukemia = C92.1; 92818009
    chronic myeloid leukemia | chronic myelogenous leukemia | cml
hodgkin_lymphoma = C81; 118599009
    hodgkin lymphoma | hodgkin's lymphoma | hodgkin disease
myelodysplastic_syndrome = D46; 109995007
    myelodysplastic syndrome | mds | myelodysplasia
glioblastoma = C71; 393563007
    glioblastoma | gbm | glioblastoma multiforme
renal_cell_carcinoma = C64; 702391001
    renal cell carcinoma | kidney cancer
gastric_cancer = C16; 363349007
    gastric cancer | stomach cancer
esophageal_cancer = C15; 363402007
    esophageal cancer
head_and_neck_cancer = C00 C01 C02 C03 C04 C05 C06 C07 C08 C09 C10 C11 C12 C13 C14 C30 C31 C32
    head and neck cancer
immunodeficiency = D80 D81 D82 D83 D84; 234532001
    immunodeficiency | immune deficiency | primary immunodeficiency
sarcoidosis = D86; 31541009
    sarcoidosis
graft_versus_host_disease = D89.81; 234646005
    graft versus host disease | gvhd
aplastic_anemia = D61; 306058006
    aplastic anemia
disseminated_intravascular_coagulation = D65; 67406007
    disseminated intravascular coagulation
brain_tumor = C71 D33 D43; 126952004
    brain tumor | cns tumor
g6pd_deficiency = D55.0; 62403005
    g6pd deficiency | glucose 6 phosphate dehydrogenase deficiency
pheochromocytoma = D35.0 C74.1; 302835009
    pheochromocytoma
iron_deficiency_anemia = D50; 87522002
    iron deficiency anemia
polycythemia = D45 D75.1; 127062003
    polycythemia
neutropenia = D70; 165517008
    neutropenia
"""
