"""Conditions of the mind, the nerves and the senses, and symptoms.

An entry has ICD-10-CM prefixes; SNOMED CT codes; and where it applies, `state` for codes of a
state after an event, `procedure` for procedures, `unrecorded` for what records often lack. The
prefixes were checked against the ICD-10-CM of 2026, the SNOMED CT codes by their check digits.
"""

MIND = """
transient_ischemic_attack = G45; 266257000
    transient ischemic attack | tia
sleep_apnea = G47.3; 73430006
    sleep apnea | sleep apnea syndrome
obstructive_sleep_apnea = G47.33; 78275009
    obstructive sleep apnea | osa | obstructive sleep apnea (osa)
multiple_sclerosis = G35; 24700007
    multiple sclerosis
parkinsons_disease = G20; 49049000
    parkinson's disease | parkinson disease | parkinsons disease | idiopathic parkinson's disease
alzheimers_disease = G30; 26929004
    alzheimer's disease | alzheimer disease | alzheimers disease | alzheimer's
dementia = F01 F02 F03 G30 G31.0 G31.83; 52448006
    dementia
epilepsy = G40; 84757009
    epilepsy | seizure disorder | epileptic disorder
seizures = G40 R56; 91175000
    seizure | convulsion
migraine = G43; 37796009
    migraine
traumatic_brain_injury = S06; 127295002
    traumatic brain injury | tbi
insomnia = G47.0 F51.0; 193462001
    insomnia | insomnia disorder | insomnia patient | chronic insomnia | chronic insomnia disorder
narcolepsy = G47.4; 60380001
    narcolepsy
restless_legs = G25.81; 32914008
    restless leg syndrome | restless legs syndrome
als = G12.21; 86044005
    amyotrophic lateral sclerosis
huntingtons_disease = G10; 58756001
    huntington's disease | huntington disease
depression = F32 F33; 35489007
    depression | depressive disorder | clinical depression
major_depression = F32 F33; 370143000
    major depression | major depressive disorder | mdd | major depressive disorder (mdd)
bipolar_disorder = F31 F30; 13746004
    bipolar disorder | bipolar | bipolar affective disorder | manic depression | bipolar i
    disorder | bipolar ii disorder | bipolar i/ii disorder
schizophrenia = F20; 58214004
    schizophrenia
schizoaffective_disorder = F25; 68890003
    schizoaffective disorder
psychotic_disorder = F20 F22 F23 F24 F25 F28 F29; 69322001
    psychotic disorder | psychosis | psychoses
ptsd = F43.1; 47505003
    ptsd | post traumatic stress disorder | posttraumatic stress disorder | post traumatic stress
    disorder (ptsd) | posttraumatic stress disorder (ptsd) | ptsd diagnosis
anxiety_disorder = F40 F41; 197480006
    anxiety disorder | anxiety
generalized_anxiety_disorder = F41.1; 21897009
    generalized anxiety disorder | generalised anxiety disorder
panic_disorder = F41.0; 371631005
    panic disorder
obsessive_compulsive_disorder = F42; 191736004
    obsessive compulsive disorder | ocd
eating_disorder = F50; 72366004
    eating disorder
anorexia_nervosa = F50.0; 56882008
    anorexia nervosa
bulimia_nervosa = F50.2; 78004001
    bulimia nervosa | bulimia
personality_disorder = F60; 33449004
    personality disorder
adhd = F90; 406506008
    adhd | attention deficit hyperactivity disorder | attention deficit/hyperactivity disorder
autism = F84; 408856003
    autism | autism spectrum disorder | asd | autistic disorder
substance_use_disorder = F10 F11 F12 F13 F14 F15 F16 F18 F19; 66214007
    substance use disorder | substance abuse | substance dependence | drug or alcohol abuse |
    alcohol or drug abuse | drug and alcohol abuse | alcohol or substance abuse | drug or alcohol
    dependence | alcohol or drug dependence | alcohol and drug abuse | drug and/or alcohol abuse |
    alcohol and/or drug abuse | drug/alcohol abuse
drug_abuse = F11 F12 F13 F14 F15 F16 F18 F19; 26416006
    drug abuse | drug dependence | drug addiction
alcohol_use_disorder = F10; 7200002
    alcohol use disorder | alcoholism | alcohol abuse | alcohol dependence | alcohol addiction |
    alcohol use disorder (aud)
opioid_use_disorder = F11; 5602001
    opioid use disorder | oud | opioid dependence | opioid abuse | opioid addiction | opioid use
    disorder (oud) | oud diagnosis
cannabis_use_disorder = F12; 37344009
    cannabis use disorder
stimulant_use_disorder = F15
    stimulant use disorder | methamphetamine use disorder
nicotine_dependence = F17; 56294008
    nicotine dependence | tobacco use disorder | tobacco dependence
suicide_attempt = T14.91; 82313006
    suicide attempt | attempted suicide
developmental_delay = F80 F81 F82 F88 F89 R62.5; 248290002
    developmental delay
intellectual_disability = F70 F71 F72 F73 F78 F79; 110359009
    intellectual disability
glaucoma = H40 H42; 23986001
    glaucoma
cataract = H25 H26; 193570009
    cataract
macular_edema = H35.81 E10.311 E11.311; 37231002
    macular edema
age_related_macular_degeneration = H35.3; 267718000
    age related macular degeneration | amd
tinnitus = H93.1; 60862001
    tinnitus
vertigo = R42 H81; 399153001
    vertigo
myasthenia_gravis = G70.0; 91637004
    myasthenia gravis
claustrophobia = F40.240; 19887002
    claustrophobia
syncope = R55; 271594007
    syncope
ascites = R18; 389026000
    ascites
peripheral_neuropathy = G60 G61 G62 G63; 302226006
    peripheral neuropathy | polyneuropathy
neuropathy = G56 G57 G58 G59 G60 G61 G62 G63 G64; 386033004
    neuropathy
diarrhea = R19.7 K59.1; 62315008
    diarrhea
suicidal_ideation = R45.851; 6471006
    suicidal ideation
spinal_cord_injury = S14.0 S14.1 S24.0 S24.1 S34.0 S34.1; 90584004
    spinal cord injury
cerebral_palsy = G80; 128188000
    cerebral palsy
muscular_dystrophy = G71.0; 73297009
    muscular dystrophy
meningitis = G00 G01 G02 G03; 7180009
    meningitis
encephalitis = G04 G05; 45170000
    encephalitis
hydrocephalus = G91; 230745008
    hydrocephalus
delirium = F05 R41.0; 2776000
    delirium
tourette_syndrome = F95.2; 5158005
    tourette syndrome | tourette's syndrome
adjustment_disorder = F43.2; 17226007
    adjustment disorder
social_anxiety_disorder = F40.1; 25501002
    social anxiety disorder | social phobia
dysthymia = F34.1; 78667006
    dysthymia | dysthymic disorder | persistent depressive disorder
hearing_loss = H90 H91; 15188001
    hearing loss
anaphylaxis = T78.2 T78.0 T80.5 T88.6; 39579001
    anaphylaxis | anaphylactic shock | anaphylactic reaction
keratoconus = H18.6; 65636009
    keratoconus
uveitis = H20 H30; 128473001
    uveitis
dry_eye = H04.12; 46152009
    dry eye | dry eye disease | dry eye syndrome
retinal_detachment = H33; 42059000
    retinal detachment
urinary_retention = R33; 267064002
    urinary retention
carpal_tunnel_syndrome = G56.0; 57406009
    carpal tunnel syndrome
trigeminal_neuralgia = G50.0; 31681005
    trigeminal neuralgia
concussion = S06.0; 110030002
    concussion
"""
