"""Infections, and conditions of other organs.

An entry has ICD-10-CM prefixes; SNOMED CT codes; and where it applies, `state` for codes of a
state after an event, `procedure` for procedures, `unrecorded` for what records often lack. The
prefixes were checked against the ICD-10-CM of 2026, the SNOMED CT codes by their check digits.
"""

ORGANS = """
chronic_kidney_disease = N18; 709044004
    chronic kidney disease | ckd | chronic renal insufficiency | chronic renal failure | chronic
    renal disease | chronic kidney disease (ckd)
end_stage_renal_disease = N18.6; 46177005
    end stage renal disease | esrd | end stage kidney disease | eskd
acute_kidney_injury = N17; 14669001
    acute kidney injury | aki | acute renal failure
kidney_failure = N17 N18 N19; 42399005
    renal failure | kidney failure | renal insufficiency
kidney_disease = N00 N01 N02 N03 N04 N05 N06 N07 N08 N10 N11 N12 N13 N14 N15 N16 N17 N18 N19;
  90708001
    kidney disease | renal disease
kidney_stones = N20; 95570007
    kidney stone | nephrolithiasis | renal stone | urolithiasis
urinary_tract_infection = N39.0 N30; 68566005
    urinary tract infection | uti
benign_prostatic_hyperplasia = N40; 266569009
    benign prostatic hyperplasia | bph | benign prostate hyperplasia
copd = J44 J43; 13645005
    copd | chronic obstructive pulmonary disease | chronic obstructive lung disease | chronic
    obstructive pulmonary disease (copd)
asthma = J45; 195967001
    asthma | bronchial asthma
pneumonia = J12 J13 J14 J15 J16 J17 J18; 233604007
    pneumonia
interstitial_lung_disease = J84; 233703007
    interstitial lung disease | ild | interstitial pneumonia
pulmonary_fibrosis = J84.1; 51615001
    pulmonary fibrosis
bronchiectasis = J47; 12295008
    bronchiectasis
tuberculosis = A15 A16 A17 A18 A19; 56717001
    tuberculosis | tb
hiv = B20 Z21; 86406008
    hiv | hiv infection | human immunodeficiency virus | hiv positive | hiv disease | hiv/aids |
    human immunodeficiency virus (hiv) infection | human immunodeficiency virus infection | human
    immunodeficiency virus (hiv) | acquired immunodeficiency syndrome
hepatitis_b = B16 B18.0 B18.1 B19.1; 66071002
    hepatitis b | hbv | hepatitis b infection | hepatitis b virus | hepatitis b virus infection |
    hbv infection | hepatitis b virus (hbv)
hepatitis_c = B17.1 B18.2 B19.2; 50711007
    hepatitis c | hcv | hepatitis c infection | hepatitis c virus | hepatitis c virus infection |
    hcv infection | hepatitis c virus (hcv)
hepatitis_b_or_c = B16 B17.1 B18.0 B18.1 B18.2 B19.1 B19.2; 66071002 50711007
    hepatitis b or c | hepatitis b or hepatitis c | hepatitis b and c | hepatitis b/c
viral_hepatitis = B15 B16 B17 B18 B19; 3738000
    viral hepatitis
hepatitis = B15 B16 B17 B18 B19 K70.1 K73 K75.2 K75.3 K75.4; 128241005
    hepatitis
covid_19 = U07.1; 840539006
    covid 19 | covid | sars cov 2 infection | covid 19 infection | sars cov2 infection |
    coronavirus disease 2019 | sars cov 2
sepsis = A40 A41 R65.2; 91302008
    sepsis
cirrhosis = K74.3 K74.4 K74.5 K74.6 K70.3; 19943007
    cirrhosis | liver cirrhosis | cirrhosis of the liver | hepatic cirrhosis
liver_disease = K70 K71 K72 K73 K74 K75 K76 K77; 235856003
    liver disease | hepatic disease
liver_failure = K72; 59927004
    liver failure | hepatic failure
nafld = K76.0 K75.81; 197315008
    nafld | non alcoholic fatty liver disease | nonalcoholic fatty liver disease | fatty liver |
    fatty liver disease | masld
pancreatitis = K85 K86.0 K86.1; 75694006
    pancreatitis
acute_pancreatitis = K85; 197456007
    acute pancreatitis
chronic_pancreatitis = K86.0 K86.1; 235494005
    chronic pancreatitis
inflammatory_bowel_disease = K50 K51; 24526004
    inflammatory bowel disease | ibd
crohns_disease = K50; 34000006
    crohn's disease | crohn disease | crohns disease
ulcerative_colitis = K51; 64766004
    ulcerative colitis
irritable_bowel_syndrome = K58; 10743008
    irritable bowel syndrome | ibs
celiac_disease = K90.0; 396331005
    celiac disease | coeliac disease
peptic_ulcer = K25 K26 K27 K28; 13200003
    peptic ulcer | peptic ulcer disease
gastroesophageal_reflux = K21; 235595009
    gerd | gastroesophageal reflux | gastroesophageal reflux disease
gastroparesis = K31.84; 235675006
    gastroparesis
gastrointestinal_bleeding = K92.0 K92.1 K92.2; 74474003
    gastrointestinal bleeding | gi bleeding | gastrointestinal hemorrhage
gallstones = K80; 235919008
    gallstone | gall stone | cholelithiasis
gout = M10 M1A; 90560007
    gout
rheumatoid_arthritis = M05 M06; 69896004
    rheumatoid arthritis | ra
osteoarthritis = M15 M16 M17 M18 M19; 396275006
    osteoarthritis
fibromyalgia = M79.7; 203082005
    fibromyalgia | primary fibromyalgia | primary fm
lupus = M32; 55464009
    systemic lupus erythematosus | sle | lupus
psoriasis = L40; 9014002
    psoriasis
atopic_dermatitis = L20; 24079001
    atopic dermatitis | eczema
autoimmune_hepatitis = K75.4; 408335007
    autoimmune hepatitis
low_back_pain = M54.5; 279039007
    low back pain
alopecia = L63 L64 L65; 56317004
    alopecia
alopecia_areata = L63; 68225006
    alopecia areata
bowel_obstruction = K56; 81060008
    bowel obstruction | intestinal obstruction
vitiligo = L80; 56727007
    vitiligo
osteopenia = M85.8; 312894000
    osteopenia
amenorrhea = N91.0 N91.1 N91.2; 14302001
    amenorrhea
foot_ulcer = L97.4 L97.5 E10.621 E11.621; 95344007
    foot ulcer | diabetic foot ulcer
congenital_heart_disease = Q20 Q21 Q22 Q23 Q24 Q25; 13213009
    congenital heart disease | congenital heart defect
hepatic_encephalopathy = K76.82; 13920009
    hepatic encephalopathy
down_syndrome = Q90; 41040004
    down syndrome | down's syndrome
allergic_rhinitis = J30; 61582004
    allergic rhinitis | hay fever
sinusitis = J01 J32; 36971009
    sinusitis
urticaria = L50; 126485001
    urticaria
acne = L70; 11381005
    acne
rosacea = L71; 398909004
    rosacea
hidradenitis = L73.2; 59393003
    hidradenitis suppurativa
gastritis = K29; 4556007
    gastritis
diverticulitis = K57.0 K57.1 K57.2 K57.3 K57.4 K57.5 K57.8 K57.9; 307496006
    diverticulitis
cholecystitis = K81; 76581006
    cholecystitis
cholangitis = K83.0; 82403002
    cholangitis
short_bowel_syndrome = K91.2; 26629001
    short bowel syndrome
malabsorption = K90; 32230006
    malabsorption | malabsorption syndrome
ankylosing_spondylitis = M45; 9631008
    ankylosing spondylitis
psoriatic_arthritis = L40.5; 156370009
    psoriatic arthritis
scleroderma = M34; 89155008
    scleroderma | systemic sclerosis
sjogrens_syndrome = M35.0; 83901003
    sjogren's syndrome | sjogren syndrome
polymyalgia_rheumatica = M35.3; 65323003
    polymyalgia rheumatica
nephrotic_syndrome = N04; 52254009
    nephrotic syndrome
polycystic_kidney_disease = Q61.1 Q61.2 Q61.3; 765330003
    polycystic kidney disease
overactive_bladder = N32.81
    overactive bladder | overactive bladder syndrome
urinary_incontinence = N39.3 N39.4 R32; 165232002
    urinary incontinence
erectile_dysfunction = N52
    erectile dysfunction
infertility = N97 N46; 8619003
    infertility
syphilis = A50 A51 A52 A53; 76272004
    syphilis
herpes_zoster = B02; 4740000
    herpes zoster | shingles
malaria = B50 B51 B52 B53 B54; 61462000
    malaria
influenza = J09 J10 J11; 6142004
    influenza
postherpetic_neuralgia = B02.2; 2177002
    postherpetic neuralgia
scoliosis = M41; 298382003
    scoliosis
sciatica = M54.3 M54.4; 23056005
    sciatica
spinal_stenosis = M48.0; 76107001
    spinal stenosis
"""
