"""Fictitious values in the place of identifiers, from a key that nobody keeps."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from uuid import UUID

from trially.keys.throwaway_keys import ThrowawayKey
from trially.tenancy.cloning.permuting import permute_text


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


GIVEN_NAMES = _words(
    "Alex Andrea Ariel Ash Bo Cameron Casey Chris Dana Devon Eden Eli Emery Finley Frankie "
    "Gael Hayden Indigo Jamie Jo Jules Kai Kim Kit Lee Lin Lou Luca Marin Max Mika Milan Nico "
    "Noa Noor Pat Quinn Remy Riley Robin Rowan Sam Sascha Sasha Shay Sky Sol Tal Taylor Toni "
    "Tracy Val Wren Yael Yuri Zaza"
)
FAMILY_NAMES = _words(
    "Acorn Amber Anchor Arch Barley Basin Beacon Birch Boulder Bramble Brook Canyon Cedar "
    "Cinder Cliff Cloud Clover Coral Cove Crag Dale Delta Dune Elm Ember Fern Fjord Flint "
    "Frost Glade Grove Harbor Hazel Heath Island Ivy Juniper Lagoon Larch Linden Maple Marsh "
    "Meadow Moss Oak Pebble Pine Prairie Quarry Reed Ridge River Sage Shore Slate Spruce "
    "Summit Thicket Tundra Valley Willow"
)
CITIES = ("Ashmere", "Brightwater", "Cedarfall", "Dunmore", "Eastvale", "Fairhollow", "Greenmoor")

KEPT_SOURCE = "manual"
"""The source of patients that members enter. It is the same in all tenants."""


@dataclass(frozen=True)
class Fictions:
    """Makes fictitious values. The same value becomes the same one, in all tables of a clone."""

    key: ThrowawayKey

    def digest(self, kind: str, *values: str) -> bytes:
        """Return 32 bytes that follow from values, for who has the key."""
        return self.key.digest(kind, *values)[:32]

    def uuid(self, value: str) -> str:
        """Return another UUID in the place of one."""
        return str(UUID(bytes=self.digest("uuid", value)[:16], version=4))

    def days(self, person: str) -> int:
        """Return by how many days a person's dates become earlier: 1 to 365."""
        return 1 + int.from_bytes(self.digest("days", person)[:8]) % 365

    def bytes_of(self, value: str) -> str:
        r"""Return other bytes in the place of a digest, as `bytea` is written."""
        return f"\\x{self.digest('bytes', value).hex()}"

    def identifier(self, kind: str, value: str, person: str) -> str:
        """Return a fictitious identifier of a kind. Raises `KeyError` for an unknown kind."""
        return _KINDS[kind](self, value, person)

    def word(self, kind: str, value: str, length: int) -> str:
        """Return hexadecimal digits that stand for a value."""
        return self.digest(kind, value).hex()[:length]

    def chosen(self, kind: str, value: str, person: str, names: tuple[str, ...]) -> str:
        """Return one of some names. Another person of the same name has another one.

        Otherwise the most frequent names of the clone would be those of the source.
        """
        return names[int.from_bytes(self.digest(kind, person, value)[:8]) % len(names)]

    def permuted(self, kind: str, value: str) -> str:
        """Return another text of the same format."""
        return permute_text(self.key.for_use(f"permute {kind}"), value)


def _given(fictions: Fictions, value: str, person: str) -> str:
    return fictions.chosen("given_name", value, person, GIVEN_NAMES)


def _family(fictions: Fictions, value: str, person: str) -> str:
    return fictions.chosen("family_name", value, person, FAMILY_NAMES)


def _full(fictions: Fictions, value: str, person: str) -> str:
    return f"{_given(fictions, value, person)} {_family(fictions, value, person)}"


def _email(fictions: Fictions, value: str, person: str) -> str:
    name = _given(fictions, value, person).lower()
    return f"{name}.{fictions.word('email', value, 8)}@example.invalid"


def _source(fictions: Fictions, value: str, _: str) -> str:
    return value if value == KEPT_SOURCE else f"source-{fictions.word('source', value, 8)}"


def _url(fictions: Fictions, value: str, _: str) -> str:
    return value and f"https://{fictions.word('url', value, 16)}.invalid/fhir"


def _system(fictions: Fictions, value: str, _: str) -> str:
    return value and f"urn:fictitious:{fictions.word('system', value, 16)}"


def _numbered(kind: str, word: str, length: int = 8) -> Callable[[Fictions, str, str], str]:
    return lambda fictions, value, _: f"{word}{fictions.word(kind, value, length)}"


_KINDS: Mapping[str, Callable[[Fictions, str, str], str]] = {
    "given_name": _given,
    "family_name": _family,
    "full_name": _full,
    "email": _email,
    "phone": lambda fictions, value, _: fictions.permuted("phone", value),
    "number": lambda fictions, value, _: fictions.permuted("number", value),
    "record": _numbered("record", "", 32),
    "source": _source,
    "url": _url,
    "system": _system,
    "site": _numbered("site", "Site "),
    "study": _numbered("study", "Study "),
    "protocol": _numbered("protocol", "P-"),
}
KINDS = frozenset(_KINDS)
"""The kinds of identifiers that a masked clone knows."""
