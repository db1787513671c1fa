"""Values of patients' demographic fields."""

import re

_COUNTRIES = (  # ISO 3166-1, alpha-2 and alpha-3
    "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ "
    "BR BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM "
    "DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS "
    "GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN "
    "KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ "
    "MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM "
    "PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV "
    "SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI "
    "VN VU WF WS YE YT ZA ZM ZW ABW AFG AGO AIA ALA ALB AND ARE ARG ARM ASM ATA ATF ATG AUS AUT "
    "AZE BDI BEL BEN BES BFA BGD BGR BHR BHS BIH BLM BLR BLZ BMU BOL BRA BRB BRN BTN BVT BWA "
    "CAF CAN CCK CHE CHL CHN CIV CMR COD COG COK COL COM CPV CRI CUB CUW CXR CYM CYP CZE DEU "
    "DJI DMA DNK DOM DZA ECU EGY ERI ESH ESP EST ETH FIN FJI FLK FRA FRO FSM GAB GBR GEO GGY "
    "GHA GIB GIN GLP GMB GNB GNQ GRC GRD GRL GTM GUF GUM GUY HKG HMD HND HRV HTI HUN IDN IMN "
    "IND IOT IRL IRN IRQ ISL ISR ITA JAM JEY JOR JPN KAZ KEN KGZ KHM KIR KNA KOR KWT LAO LBN "
    "LBR LBY LCA LIE LKA LSO LTU LUX LVA MAC MAF MAR MCO MDA MDG MDV MEX MHL MKD MLI MLT MMR "
    "MNE MNG MNP MOZ MRT MSR MTQ MUS MWI MYS MYT NAM NCL NER NFK NGA NIC NIU NLD NOR NPL NRU "
    "NZL OMN PAK PAN PCN PER PHL PLW PNG POL PRI PRK PRT PRY PSE PYF QAT REU ROU RUS RWA SAU "
    "SDN SEN SGP SGS SHN SJM SLB SLE SLV SMR SOM SPM SRB SSD STP SUR SVK SVN SWE SWZ SXM SYC "
    "SYR TCA TCD TGO THA TJK TKL TKM TLS TON TTO TUN TUR TUV TWN TZA UGA UKR UMI URY USA UZB "
    "VAT VCT VEN VGB VIR VNM VUT WLF WSM YEM ZAF ZMB ZWE"
)
_LANGUAGES = (  # ISO 639-1
    "aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv "
    "cy da de dv dz ee el en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr "
    "ht hu hy hz ia id ie ig ii ik io is it iu ja jv ka kg ki kj kk kl km kn ko kr ks ku kv kw "
    "ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd ne ng nl nn no nr nv "
    "ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk sl sm sn so sq sr "
    "ss st su sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi "
    "yo za zh zu"
)
_US_STATES = (
    "AL AK AZ AR CA CO CT DE FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ "
    "NM NY NC ND OH OK OR PA RI SC SD TN TX UT VT VA WA WV WI WY DC AS GU MP PR VI"
)
_US_STATE_NAMES = (
    "Alabama; Alaska; Arizona; Arkansas; California; Colorado; Connecticut; Delaware; Florida; "
    "Georgia; Hawaii; Idaho; Illinois; Indiana; Iowa; Kansas; Kentucky; Louisiana; Maine; "
    "Maryland; Massachusetts; Michigan; Minnesota; Mississippi; Missouri; Montana; Nebraska; "
    "Nevada; New Hampshire; New Jersey; New Mexico; New York; North Carolina; North Dakota; "
    "Ohio; Oklahoma; Oregon; Pennsylvania; Rhode Island; South Carolina; South Dakota; "
    "Tennessee; Texas; Utah; Vermont; Virginia; Washington; West Virginia; Wisconsin; Wyoming; "
    "District of Columbia; American Samoa; Guam; Northern Mariana Islands; Puerto Rico; U.S. "
    "Virgin Islands"
)
_RACES = (  # the categories of US Core, and the words with which sources say that none is known
    "american indian or alaska native; asian; black or african american; native hawaiian or other "
    "pacific islander; white; black; native; other race; other; two or more races; multiracial; "
    "unknown; asked but no answer; asked but unknown; declined to specify; not applicable"
)
_ETHNICITIES = (
    "hispanic or latino; not hispanic or latino; non-hispanic; hispanic; other; unknown; "
    "asked but no answer; asked but unknown; declined to specify; not applicable"
)
_GENDER_IDENTITIES = (  # the names in US Core's value set, and those of FHIR's extension
    "male; female; non-binary; nonbinary; transgender male; transgender female; other; unknown; "
    "identifies as male; identifies as female; identifies as male gender; identifies as female "
    "gender; identifies as nonbinary gender; identifies as non-binary gender; identifies as "
    "transgender; male-to-female transsexual; female-to-male transsexual; asked but unknown; "
    "asked but no answer; choose not to disclose; non-disclose; additional gender category or other"
)
_LANGUAGE_TAG = re.compile(r"([a-z]{2})(?:-([A-Z]{2}))?")


def _names(text: str) -> frozenset[str]:
    return frozenset(name.strip().lower() for name in text.split(";"))


COUNTRIES = frozenset(_COUNTRIES.split()) | {"United States", "United States of America"}
LANGUAGES = frozenset(_LANGUAGES.split())
RACES, ETHNICITIES = _names(_RACES), _names(_ETHNICITIES)
GENDER_IDENTITIES = _names(_GENDER_IDENTITIES)
STATES = frozenset(_US_STATES.lower().split()) | _names(_US_STATE_NAMES)


def is_race(text: str) -> bool:
    """Return whether a text consists of races, separated by commas."""
    return all(part.strip().lower() in RACES for part in text.split(","))


def is_ethnicity(text: str) -> bool:
    """Return whether a text consists of ethnicities, separated by commas."""
    return all(part.strip().lower() in ETHNICITIES for part in text.split(","))


def is_gender_identity(text: str) -> bool:
    """Return whether a text is a gender identity."""
    return text.lower() in GENDER_IDENTITIES


def is_language(text: str) -> bool:
    """Return whether a text is a language, with or without a country: `en`, `en-US`."""
    match = _LANGUAGE_TAG.fullmatch(text)
    if match is None:
        return False
    language, country = match.groups()
    return language in LANGUAGES and (country is None or country in COUNTRIES)


def is_state(text: str) -> bool:
    """Return whether a text is a state or territory of the United States, or its code."""
    return text.lower() in STATES


def is_country(text: str) -> bool:
    """Return whether a text is the code of a country."""
    return text in COUNTRIES or text.upper() in COUNTRIES
