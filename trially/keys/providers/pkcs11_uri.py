"""Read the URI of a key in a PKCS#11 token (RFC 7512)."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from trially.keys.providers.errors import UnknownProviderError

EXAMPLE = (
    "pkcs11:token=trially;object=master?module-path=/usr/lib/softhsm/libsofthsm2.so"
    "&pin-source=file:/etc/trially/token-pin"
)


@dataclass(frozen=True)
class Pkcs11Key:
    """A key in a token: labels, the module's library, and the file of the user's PIN."""

    token: str
    label: str
    module: Path
    pin_file: Path


def parse_pkcs11_uri(uri: str) -> Pkcs11Key:
    """Return the key of a URI, or raise `UnknownProviderError`. It may not contain the PIN."""
    path, _, query = uri.partition(":")[2].partition("?")
    attributes = dict(_pairs(path, ";") + _pairs(query, "&"))
    try:
        return Pkcs11Key(
            attributes.pop("token"),
            attributes.pop("object"),
            Path(attributes.pop("module-path")),
            Path(urlsplit(attributes.pop("pin-source")).path),
        )
    except KeyError as error:
        raise UnknownProviderError(
            f"The PKCS#11 URI of the master key lacks {error.args[0]}. Set it to a URI such as"
            f" {EXAMPLE}"
        ) from None


def _pairs(text: str, separator: str) -> list[tuple[str, str]]:
    words = [each.partition("=") for each in text.split(separator) if each]
    return [(name, unquote(value)) for name, _, value in words]
