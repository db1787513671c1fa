"""Medications: RxNorm codes of ingredients, or keys of entries with them."""

MEDICATION_TABLE = """
metformin = 6809
    metformin | glucophage
insulin = 5856 253182 274783 86009 51428 139825 1670007 400008
    insulin | insulin therapy
sulfonylureas = 4821 4815 25789 10635 10633 2404
    sulfonylurea | sulphonylurea
glipizide = 4821
    glipizide
glyburide = 4815
    glyburide | glibenclamide
glimepiride = 25789
    glimepiride
thiazolidinediones = 33738 84108
    thiazolidinedione | tzd | glitazone | thiazolidinedione (tzd)
pioglitazone = 33738
    pioglitazone
dpp_4_inhibitors = 593411 857974 1100699 1368001
    dpp 4 inhibitor | dpp4 inhibitor | dipeptidyl peptidase 4 inhibitor | gliptin | dpp iv
    inhibitor | dipeptidyl peptidase 4 (dpp 4) inhibitor
sitagliptin = 593411
    sitagliptin
glp_1_agonists = 60548 475968 1551291 1991302 1440051 2601723
    glp 1 receptor agonist | glp 1 agonist | glp 1 ra | glp 1ra | glp1 receptor agonist | glp1 ra
    | glucagon like peptide 1 receptor agonist | glp 1 analogue | glp 1 analog | glp 1 | glucagon
    like peptide 1 receptor agonist (glp 1ra) | glp 1 receptor agonist (glp 1 ra) | glucagon like
    peptide 1 (glp 1) receptor agonist | incretin mimetic
antidiabetics = metformin insulin sulfonylureas thiazolidinediones dpp_4_inhibitors glp_1_agonists
  sglt2_inhibitors
    antidiabetic | anti diabetic | antidiabetic agent | anti diabetic agent | glucose lowering |
    antihyperglycemic | anti hyperglycemic | hypoglycemic agent | glucose lowering agent | glucose
    lowering medication | diabetes medication | anti diabetic medication
oral_antidiabetics = metformin sulfonylureas thiazolidinediones dpp_4_inhibitors sglt2_inhibitors
    oral hypoglycemic | oral antidiabetic | oral anti diabetic | oral hypoglycemic agent | oral
    antidiabetic drug | oral hypoglycemic medication | oral antihyperglycemic
thiazide_diuretics = 5487 2409
    thiazide | thiazide diuretic
semaglutide = 1991302
    semaglutide | ozempic | rybelsus | wegovy
liraglutide = 475968
    liraglutide
dulaglutide = 1551291
    dulaglutide
exenatide = 60548
    exenatide
tirzepatide = 2601723
    tirzepatide
sglt2_inhibitors = 1373458 1488564 1545653 1992672
    sglt2 inhibitor | sglt 2 inhibitor | sglt2i | sodium glucose cotransporter 2 inhibitor |
    sodium glucose co transporter 2 inhibitor | gliflozin
empagliflozin = 1545653
    empagliflozin
dapagliflozin = 1488564
    dapagliflozin
canagliflozin = 1373458
    canagliflozin
anticoagulants = 11289 1364430 1114195 1037042 1546356 1599538 5224 67108
    anticoagulant | anticoagulation | anticoagulant medication | oral anticoagulant |
    anticoagulative medication
warfarin = 11289
    warfarin | coumadin
direct_oral_anticoagulants = 1364430 1114195 1037042 1546356 1599538
    direct oral anticoagulant | doac | noac | novel oral anticoagulant
apixaban = 1364430
    apixaban
rivaroxaban = 1114195
    rivaroxaban
heparin = 5224
    heparin
antiplatelets = 1191 32968 613391 1116632 3521
    antiplatelet | antiplatelet agent | platelet inhibitor | platelet aggregation inhibitor
aspirin = 1191
    aspirin | acetylsalicylic acid | asa
clopidogrel = 32968
    clopidogrel | plavix
statins = 83367 36567 301542 42463 6472 41127 861634
    statin | hmg coa reductase inhibitor
atorvastatin = 83367
    atorvastatin
simvastatin = 36567
    simvastatin
rosuvastatin = 301542
    rosuvastatin
ace_inhibitors = 29046 3827 35296 1998 18867 54552 35208 50166 38454
    ace inhibitor | angiotensin converting enzyme inhibitor | acei | angiotensin converting enzyme
    (ace) inhibitor
angiotensin_receptor_blockers = 52175 69749 214354 83818 321064 73494 83515
    angiotensin receptor blocker | arb | angiotensin ii receptor blocker | angiotensin receptor
    blocker (arb)
beta_blockers = 6918 1202 8787 19484 20352 31555 6185
    beta blocker | beta adrenergic blocker | b blocker
metoprolol = 6918
    metoprolol
propranolol = 8787
    propranolol
calcium_channel_blockers = 17767 33910 7417 11170 3443 4316
    calcium channel blocker | ccb
diuretics = 4603 5487 9997 2409 38413 1808 298869 5764
    diuretic
loop_diuretics = 4603 38413 1808
    loop diuretic
amiodarone = 703
    amiodarone
digoxin = 3407
    digoxin
systemic_corticosteroids = 8640 8638 6902 3264 5492 1514 10759
    systemic corticosteroid | corticosteroid | systemic steroid | oral corticosteroid | oral
    steroid | glucocorticoid | systemic glucocorticoid | steroid | systemic corticosteroid therapy
prednisone = 8640
    prednisone
dexamethasone = 3264
    dexamethasone
antidepressants = 4493 36437 2556 321988 32937 39786 72625 42347 15996 10737 704 7531
    antidepressant | antidepressant medication
ssris = 4493 36437 2556 321988 32937 42355
    ssri | selective serotonin reuptake inhibitor
fluoxetine = 4493
    fluoxetine
sertraline = 36437
    sertraline
antipsychotics = 61381 35636 51272 89013 5093 2626 115698 679314 1040028
    antipsychotic | antipsychotic medication | neuroleptic
clozapine = 2626
    clozapine
lithium = 6448
    lithium
valproate = 11118
    valproate | valproic acid
carbamazepine = 2002
    carbamazepine
benzodiazepines = 596 6470 3322 2598 10355 10767 6960
    benzodiazepine
opioids = 7052 7804 5489 4337 10689 2670 6813 1819 3423
    opioid | opiate | opioid medication | opioid analgesic
buprenorphine = 1819
    buprenorphine
methadone = 6813
    methadone
naltrexone = 7243
    naltrexone
stimulants = 6901 725
    stimulant | psychostimulant
nsaids = 5640 7258 3355 140587 41493 5781 35827
    nsaid | nonsteroidal anti inflammatory drug | non steroidal anti inflammatory drug |
    nonsteroidal anti inflammatory drug (nsaid) | non steroidal anti inflammatory drug (nsaid)
acetaminophen = 161
    acetaminophen | paracetamol
varenicline = 591622
    varenicline
prazosin = 8629
    prazosin
levothyroxine = 10582
    levothyroxine
orlistat = 37925
    orlistat
phenytoin = 8183
    phenytoin
phenobarbital = 8134
    phenobarbital
levetiracetam = 114477
    levetiracetam
topiramate = 38404
    topiramate
gabapentin = 25480
    gabapentin
pregabalin = 187832
    pregabalin
gabapentinoids = gabapentin pregabalin
    gabapentinoid
anticonvulsants = 8183 8134 114477 38404 2002 11118 28439 25480 187832
    anticonvulsant | antiepileptic | anti epileptic | antiepileptic drug | anti epileptic drug
sildenafil = 136411
    sildenafil
verapamil = 11170
    verapamil
diltiazem = 3443
    diltiazem
theophylline = 10438
    theophylline
furosemide = 4603
    furosemide
spironolactone = 9997
    spironolactone
proton_pump_inhibitors = 7646 40790 283742 17128 114979
    proton pump inhibitor | ppi
bisphosphonates = 46041 77655 73056 115264
    bisphosphonate
mao_inhibitors = 8123 10734 9639 134748 6011
    mao inhibitor | maoi | monoamine oxidase inhibitor
montelukast = 88249
    montelukast
colchicine = 2683
    colchicine
nicotine_replacement = 7407
    nicotine replacement therapy | nicotine replacement | nrt | nicotine replacement therapy (nrt)
bupropion = 42347
    bupropion
disulfiram = 3554
    disulfiram
ketamine = 6130
    ketamine
melatonin = 6711
    melatonin
zolpidem = 39993
    zolpidem
methylphenidate = 6901
    methylphenidate
allopurinol = 519
    allopurinol
"""
