"""The table of measurements: their kind; LOINC codes; UCUM units that texts may use for bounds.

Last, the unit that is meant where a text gives none, and the least and the most of values in it.
The codes were checked by their check digits.
"""

ANALYTE_TABLE = """
hba1c = hba1c; 4548-4 17856-6 59261-8; % mmol/mol; % 3 20
    hba1c | hgba1c | hb a1c | hgb a1c | a1c | hba1 | hemoglobin a1c | glycated hemoglobin | hba 1c
    | glycosylated hemoglobin | glycohemoglobin | hemoglobin a1c (hba1c) | glycated hemoglobin a1c
    | glycosylated hemoglobin a1c
egfr = egfr; 33914-3 48642-3 48643-1 62238-1 69405-9 77147-7 98979-8; mL/min/{1.73_m2} mL/min;
  mL/min/{1.73_m2} 5 150
    egfr | gfr | glomerular filtration rate | estimated glomerular filtration rate | estimated gfr
    | calculated gfr
creatinine_clearance = laboratory; 2164-2 35591-7 12195-4; mL/min; mL/min 5 200
    creatinine clearance | crcl | calculated creatinine clearance | estimated creatinine clearance
    | clcr | ccr | cl cr
bmi = bmi; 39156-5; kg/m2; kg/m2 10 80
    bmi | body mass index | body mass index bmi | imc
systolic = blood_pressure; 8480-6; mm[Hg]; mm[Hg] 60 260
    systolic blood pressure | sbp | systolic bp | systolic | seated systolic blood pressure |
    sitting systolic blood pressure | systolic pressure | systolic arterial pressure
diastolic = blood_pressure; 8462-4; mm[Hg]; mm[Hg] 30 160
    diastolic blood pressure | dbp | diastolic bp | diastolic | diastolic pressure
creatinine = laboratory; 2160-0 38483-4; mg/dL umol/L mg/L mmol/L
    creatinine | serum creatinine | scr | plasma creatinine
alt = laboratory; 1742-6; U/L
    alt | alat | sgpt | alanine aminotransferase | alanine transaminase | alanine amino
    transferase | gpt | serum alt | alanine aminotransferase (alt)
ast = laboratory; 1920-8; U/L
    ast | asat | sgot | aspartate aminotransferase | aspartate transaminase | got | serum ast |
    aspartate amino transferase
alp = laboratory; 6768-6; U/L
    alkaline phosphatase | alp | alk phos
ggt = laboratory; 2324-2; U/L
    ggt | gamma glutamyl transferase | gamma gt
bilirubin = laboratory; 1975-2 42719-5; mg/dL umol/L
    total bilirubin | bilirubin | serum bilirubin | tbil | serum total bilirubin | bilirubin total
direct_bilirubin = laboratory; 1968-7; mg/dL umol/L
    direct bilirubin | conjugated bilirubin
albumin = laboratory; 1751-7; g/dL g/L
    albumin | serum albumin
hemoglobin = laboratory; 718-7; g/dL g/L mmol/L; g/dL 4 20
    hemoglobin | hb | hgb | hemoglobin concentration
hematocrit = laboratory; 4544-3 20570-8; %; % 10 70
    hematocrit | hct
platelets = laboratory; 777-3 26515-7; 10*9/L 10*3/uL /uL
    platelet | platelet count | thrombocyte | thrombocyte count | plt
leukocytes = laboratory; 6690-2 26464-8; 10*9/L 10*3/uL /uL
    wbc | white blood cell count | white blood cell | leukocyte | leukocyte count | white cell
    count | leucocyte
neutrophils = laboratory; 751-8 26499-4; 10*9/L 10*3/uL /uL
    anc | absolute neutrophil count | neutrophil | neutrophil count
lymphocytes = laboratory; 731-0 26474-7; 10*9/L 10*3/uL /uL
    lymphocyte | lymphocyte count | absolute lymphocyte count
eosinophils = laboratory; 711-2 26449-9; 10*9/L 10*3/uL /uL
    eosinophil | eosinophil count | blood eosinophil | absolute eosinophil count | blood
    eosinophil count
cd4 = laboratory; 24467-3; 10*9/L 10*3/uL /uL
    cd4 | cd4 count | cd4 cell count | cd4 t cell count | cd4+ count
inr = laboratory; 6301-6; {INR}; {INR} 0.5 10
    inr | international normalized ratio | international normalised ratio
potassium = laboratory; 2823-3 6298-4; mmol/L meq/L
    potassium | serum potassium
sodium = laboratory; 2951-2 2947-0; mmol/L meq/L
    sodium | serum sodium
calcium = laboratory; 17861-6 49765-1; mg/dL mmol/L
    calcium | serum calcium
magnesium = laboratory; 19123-9; mg/dL mmol/L
    magnesium | serum magnesium
tsh = laboratory; 3016-3; m[IU]/L
    tsh | thyroid stimulating hormone | thyrotropin
free_t4 = laboratory; 3024-7; ng/dL pmol/L
    free t4 | ft4 | free thyroxine
fasting_glucose = laboratory; 1558-6; mg/dL mmol/L
    fasting plasma glucose | fpg | fasting glucose | fasting blood glucose | fbg | fasting blood
    sugar | fbs | fasting serum glucose | fasting plasma glucose test
glucose = laboratory; 2345-7 2339-0; mg/dL mmol/L
    glucose | blood glucose | plasma glucose | random glucose | random blood glucose | blood sugar
    | serum glucose | poc glucose
c_peptide = laboratory; 1986-9; ng/mL nmol/L pmol/L
    c peptide | fasting c peptide
ldl = laboratory; 2089-1 13457-7 18262-6; mg/dL mmol/L
    ldl | ldl c | ldl cholesterol | low density lipoprotein cholesterol | low density lipoprotein
    | ldl chol | low density lipoprotein (ldl c)
hdl = laboratory; 2085-9; mg/dL mmol/L
    hdl | hdl c | hdl cholesterol | high density lipoprotein cholesterol | high density
    lipoprotein
cholesterol = laboratory; 2093-3; mg/dL mmol/L
    total cholesterol | cholesterol | serum cholesterol
triglycerides = laboratory; 2571-8; mg/dL mmol/L
    triglyceride | fasting triglyceride | serum triglyceride | tg | plasma triglyceride
crp = laboratory; 1988-5; mg/L mg/dL
    crp | c reactive protein | serum crp
hs_crp = laboratory; 30522-7; mg/L mg/dL
    hs crp | hscrp | high sensitivity c reactive protein
ferritin = laboratory; 2276-4; ng/mL
    ferritin | serum ferritin
vitamin_d = laboratory; 1989-3 62292-8; ng/mL nmol/L
    vitamin d | 25 hydroxyvitamin d | 25 oh vitamin d | 25(oh)d | serum vitamin d
uric_acid = laboratory; 3084-1; mg/dL umol/L
    uric acid | serum uric acid
urea_nitrogen = laboratory; 3094-0 6299-2; mg/dL mmol/L
    blood urea nitrogen | bun
albumin_creatinine_ratio = laboratory; 9318-7 14959-1; mg/g mg/mmol
    uacr | urine albumin to creatinine ratio | albumin to creatinine ratio | albumin creatinine
    ratio | urinary albumin to creatinine ratio | urine albumin creatinine ratio | acr
nt_probnp = laboratory; 33762-6; pg/mL ng/L
    nt probnp | n terminal pro b type natriuretic peptide
bnp = laboratory; 30934-4 42637-9; pg/mL ng/L
    bnp | b type natriuretic peptide | brain natriuretic peptide
lipase = laboratory; 3040-3; U/L
    lipase | serum lipase
amylase = laboratory; 1798-8; U/L
    amylase | serum amylase
creatine_kinase = laboratory; 2157-6; U/L
    creatine kinase | ck | cpk | creatine phosphokinase
ldh = laboratory; 2532-0 14804-9; U/L
    ldh | lactate dehydrogenase
psa = laboratory; 2857-1; ng/mL
    psa | prostate specific antigen
testosterone = laboratory; 2986-8; ng/dL nmol/L
    testosterone | total testosterone | serum testosterone
fsh = laboratory; 15067-2; m[IU]/L
    fsh | follicle stimulating hormone
lactate = laboratory; 2524-7; mmol/L
    lactate | serum lactate | blood lactate
lvef = vital_sign; 10230-1; %; % 5 90
    lvef | left ventricular ejection fraction | ejection fraction | ef
qtc = vital_sign; 8634-8 8636-3; ms; ms 300 700
    qtc | qtc interval | qtcf | corrected qt interval | qtcf interval | qtcb
heart_rate = vital_sign; 8867-4; /min; /min 30 220
    heart rate | hr | pulse | pulse rate | resting heart rate
respiratory_rate = vital_sign; 9279-1; /min; /min 5 80
    respiratory rate | respiratory frequency | rr
oxygen_saturation = vital_sign; 2708-6 59408-5; %; % 40 100
    spo2 | oxygen saturation | sao2 | o2 saturation | peripheral oxygen saturation | oxygen
    saturation (spo2) | o2 sat
temperature = vital_sign; 8310-5 8331-1; Cel [degF]
    body temperature | temperature | fever
weight = vital_sign; 29463-7; kg [lb_av]
    weight | body weight | weighing | weigh
height = vital_sign; 8302-2; cm
    body height | height
waist = vital_sign; 8280-0; cm
    waist circumference | waist
phq9 = score; 44261-6; {score}; {score} 0 27
    phq 9 | phq9 | patient health questionnaire 9 | patient health questionnaire (phq 9)
gad7 = score; 70274-6; {score}; {score} 0 21
    gad 7 | gad7 | generalized anxiety disorder 7 | general anxiety disorder 7
mmse = score; 72106-8; {score}; {score} 0 30
    mmse | mini mental state examination | mini mental state exam | mini mental status examination
    | mini mental status exam
moca = score; 72172-0; {score}; {score} 0 30
    moca | montreal cognitive assessment
epds = score; 71354-5; {score}; {score} 0 30
    epds | edinburgh postnatal depression scale
audit = score; 75624-7; {score}; {score} 0 40
    audit | alcohol use disorders identification test | alcohol use disorder identification test |
    alcohol use disorders identification test (audit)
audit_c = score; 75626-2; {score}; {score} 0 12
    audit c
dast = score; 82667-7; {score}; {score} 0 10
    dast 10 | drug abuse screening test 10 | drug abuse screening test
ecog = score; 89247-1; {score}; {score} 0 5
    ecog | ecog performance status | ecog ps | eastern cooperative oncology group performance
    status | eastern cooperative oncology group | ecog (performance status) | eastern cooperative
    oncology group (ecog) performance status | ecog performance status score | performance status
    ecog | eastern cooperative oncology group performance status (ecog)
karnofsky = score; 89243-0; {score} %; {score} 0 100
    karnofsky | kps | karnofsky performance status | karnofsky performance score | karnofsky score
"""
