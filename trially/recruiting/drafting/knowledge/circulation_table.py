"""Conditions of the circulation, and states after procedures.

An entry has ICD-10-CM prefixes; SNOMED CT codes; and where it applies, `state` for codes of a
state after an event, `procedure` for procedures, `unrecorded` for what records often lack. The
prefixes were checked against the ICD-10-CM of 2026, the SNOMED CT codes by their check digits.
"""

CIRCULATION = """
hypertension = I10 I11 I12 I13 I15 I16; 38341003
    hypertension | hypertensive | chronic hypertension | high blood pressure | arterial
    hypertension | htn | systemic hypertension | hypertensive disease
essential_hypertension = I10; 59621000
    essential hypertension | primary hypertension
hypotension = I95; 45007003
    hypotension
pulmonary_hypertension = I27.0 I27.2; 70995007
    pulmonary hypertension
coronary_heart_disease = I20 I21 I22 I23 I24 I25; 53741008
    coronary heart disease | coronary artery disease | chd | cad | ischemic heart disease | ihd |
    coronary disease
myocardial_infarction = I21 I22 I25.2; 22298006
    myocardial infarction | mi | heart attack | acute myocardial infarction | ami
angina = I20; 194828000
    angina | angina pectoris
unstable_angina = I20.0; 4557003
    unstable angina | unstable angina pectoris
acute_coronary_syndrome = I20.0 I21 I22 I24; 394659003
    acute coronary syndrome | acs
heart_failure = I50 I11.0 I13.0 I13.2; 84114007
    heart failure | congestive heart failure | chf | cardiac failure | chronic heart failure |
    congestive cardiac failure
atrial_fibrillation = I48.0 I48.1 I48.2 I48.91; 49436004
    atrial fibrillation | af | afib | a fib | auricular fibrillation
arrhythmia = I47 I48 I49; 698247007
    arrhythmia | cardiac arrhythmia | heart arrhythmia
stroke = I60 I61 I63 I64; 230690007
    stroke | cerebrovascular accident | cva | cerebral vascular accident | cerebral infarction |
    brain attack | cerebral stroke
ischemic_stroke = I63; 422504002
    ischemic stroke | acute ischemic stroke
cerebrovascular_disease = I60 I61 I62 I63 I64 I65 I66 I67 I68 I69 G45; 62914000
    cerebrovascular disease
cardiovascular_disease = I; 49601007
    cardiovascular disease | cvd
heart_disease = I05 I06 I07 I08 I09 I11 I13 I20 I21 I22 I23 I24 I25 I26 I27 I28 I30 I31 I32 I33
  I34 I35 I36 I37 I38 I39 I40 I41 I42 I43 I44 I45 I46 I47 I48 I49 I50 I51 I52; 56265001
    heart disease | cardiac disease
peripheral_artery_disease = I70.2 I73.9 E10.51 E11.51; 399957001
    peripheral artery disease | peripheral arterial disease | peripheral vascular disease | pad
deep_vein_thrombosis = I82.4; 128053003
    deep vein thrombosis | dvt | deep venous thrombosis
pulmonary_embolism = I26; 59282003
    pulmonary embolism
venous_thromboembolism = I26 I82; 429098002
    venous thromboembolism | vte
aneurysm = I71 I72 I67.1; 432119003
    aneurysm
aortic_aneurysm = I71; 67362008
    aortic aneurysm
cardiomyopathy = I42 I43; 85898001
    cardiomyopathy
myocarditis = I40 I41 I51.4; 50920009
    myocarditis
pericarditis = I30 I31 I32; 3238004
    pericarditis
cardiac_arrest = I46; 410429000
    cardiac arrest
aortic_stenosis = I35.0 I35.2; 60573004
    aortic stenosis
esophageal_varices = I85; 28670008
    esophageal varices
hysterectomy = Z90.71; ; state
    hysterectomy
splenectomy = Z90.81; ; state
    splenectomy
heart_transplant = Z94.1; ; state
    heart transplant | heart transplantation
lung_transplant = Z94.2; ; state
    lung transplant | lung transplantation
bone_marrow_transplant = Z94.81 Z94.84; ; state
    bone marrow transplant | bone marrow transplantation | stem cell transplant | stem cell
    transplantation | hematopoietic stem cell transplantation
implantable_defibrillator = Z95.810; ; state
    implantable cardioverter defibrillator
percutaneous_coronary_intervention = ; 415070008; procedure
    percutaneous coronary intervention | pci | coronary angioplasty
coronary_artery_bypass = ; 232717009; procedure
    coronary artery bypass grafting | cabg | coronary artery bypass graft | coronary artery bypass
    surgery
cesarean_section = ; 11466000; procedure
    cesarean section | caesarean section | cesarean delivery | c section
colonoscopy = ; 73761001; procedure
    colonoscopy
chemotherapy = ; 367336001; procedure
    chemotherapy
radiotherapy = ; 108290001; procedure
    radiotherapy | radiation therapy
electroconvulsive_therapy = ; 23835007; procedure
    electroconvulsive therapy | ect
cognitive_behavioral_therapy = ; 228557008; procedure
    cognitive behavioral therapy | cognitive behavioural therapy | cbt
organ_transplant = Z94; ; state
    organ transplant | organ transplantation | transplanted organ | solid organ transplant | solid
    organ transplantation
kidney_transplant = Z94.0; 161665007; state
    kidney transplant | renal transplant | kidney transplantation | renal transplantation
liver_transplant = Z94.4; 737297006; state
    liver transplant | liver transplantation
dialysis = Z99.2 Z49; 105502003; state
    dialysis | hemodialysis | renal dialysis | kidney dialysis | maintenance dialysis | chronic
    dialysis | peritoneal dialysis
pacemaker = Z95.0; 441509002; state
    pacemaker | cardiac pacemaker
bariatric_surgery = Z98.84; ; state
    bariatric surgery | weight loss surgery | gastric bypass | gastric bypass surgery
"""
