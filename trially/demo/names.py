"""Fictitious names that cannot be mistaken for a real person's."""

from dataclasses import dataclass

from trially.demo.dice import number_from


def words(text: str) -> tuple[str, ...]:
    """Return the words of a text."""
    return tuple(text.split())


PLANTS_AND_BIRDS = words(
    "Juniper Basil Sorrel Clover Fern Tansy Yarrow Bracken Thistle Larkspur Marigold Fennel Teasel "
    "Bryony Campion Saffron Lovage Borage Chervil Tamarind Acacia Alder Aspen Cedar Hawthorn "
    "Cypress Larch Mulberry Quince Medlar Sumac Willow Wren Linnet Plover Heron Avocet Bittern "
    "Curlew Dunlin Egret Finch Grebe Ibis Jackdaw Kestrel Lapwing Merlin Nightjar Oriole Osprey "
    "Petrel Pipit Redstart Siskin Starling Swift Tern Thrush Turnstone Wagtail Whimbrel Whinchat "
    "Goldcrest"
)

MINERALS = words(
    "Agate Amber Basalt Beryl Calcite Citrine Cobalt Copper Coral Dolomite Feldspar Flint Galena "
    "Garnet Granite Gypsum Jasper Jet Lazurite Malachite Marble Mica Nickel Obsidian Olivine Onyx "
    "Opal Quartz Shale Slate Topaz Zircon"
)

STEMS = ("Test", "Sample", "Demo", "Mock")

ENDINGS = words(
    "well sson wick ford berg man ton field wood worth ley by stone brook land dale ridge mere "
    "shaw thorpe croft gate hurst more rez rini rova rski nari kins bury cote den foss garth holm "
    "lund marsh moor nell pool rath staff strom tree vale ward yard"
)

NAMES = len(PLANTS_AND_BIRDS) * len(MINERALS) * len(STEMS) * len(ENDINGS)
STRIDE = 243_017
"""Coprime to NAMES, so that steps of this size visit every name before they repeat one."""


@dataclass(frozen=True)
class PersonName:
    """The name of a fictitious person."""

    given: str
    middle: str
    family: str


def name_for(seed: str, number: int) -> PersonName:
    """Return the name of a seed's nth person; it is unique within the seed.

    Each seed starts at another position, so that two tenants share no names.
    """
    position = (number_from(seed) + number * STRIDE) % NAMES
    position, ending = divmod(position, len(ENDINGS))
    position, stem = divmod(position, len(STEMS))
    given, middle = divmod(position, len(MINERALS))
    return PersonName(PLANTS_AND_BIRDS[given], MINERALS[middle], STEMS[stem] + ENDINGS[ending])
