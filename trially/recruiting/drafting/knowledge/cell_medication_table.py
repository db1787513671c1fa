"""Medications against cancer, immunity and infections: RxNorm codes of ingredients."""

CELL_MEDICATION_TABLE = """
methotrexate = 6851
    methotrexate
immunosuppressants = 6851 3008 42316 1256 68149
    immunosuppressant | immunosuppressive agent | immunosuppressive medication | immunosuppressive
    drug | immunosuppressive
azathioprine = 1256
    azathioprine
cyclosporine = 3008
    cyclosporine | ciclosporin
tacrolimus = 42316
    tacrolimus
rituximab = 121191
    rituximab
tocilizumab = 612865
    tocilizumab
hydroxychloroquine = 5521
    hydroxychloroquine
chloroquine = 2393
    chloroquine
remdesivir = 2284718
    remdesivir
bevacizumab = 253337
    bevacizumab | avastin
paclitaxel = 56946
    paclitaxel
docetaxel = 72962
    docetaxel
gemcitabine = 12574
    gemcitabine
cisplatin = 2555
    cisplatin
carboplatin = 40048
    carboplatin
oxaliplatin = 32592
    oxaliplatin
platinum_chemotherapy = cisplatin carboplatin oxaliplatin
    platinum based chemotherapy | platinum chemotherapy
doxorubicin = 3639
    doxorubicin
cyclophosphamide = 3002
    cyclophosphamide
pembrolizumab = 1547545
    pembrolizumab
nivolumab = 1597876
    nivolumab
atezolizumab = 1792776
    atezolizumab
trastuzumab = 224905
    trastuzumab
lenalidomide = 342369
    lenalidomide
thalidomide = 10432
    thalidomide
bortezomib = 358258
    bortezomib
imatinib = 282388
    imatinib
sorafenib = 495881
    sorafenib
everolimus = 141704
    everolimus
ibrutinib = 1442981
    ibrutinib
hydroxyurea = 5552
    hydroxyurea
aromatase_inhibitors = 72965 84857 258494
    aromatase inhibitor
clarithromycin = 21212
    clarithromycin
erythromycin = 4053
    erythromycin
itraconazole = 28031
    itraconazole
fluconazole = 4450
    fluconazole
ritonavir = 85762
    ritonavir
tnf_inhibitors = 327361 214555 191831
    tnf inhibitor | anti tnf | tnf alpha inhibitor | tnf blocker
adalimumab = 327361
    adalimumab
etanercept = 214555
    etanercept
infliximab = 191831
    infliximab
denosumab = 993449
    denosumab
tamoxifen = 10324
    tamoxifen
ketoconazole = 6135
    ketoconazole
rifampin = 9384
    rifampin | rifampicin
penicillin = 7984 7980
    penicillin
"""
