"""Open the provider of a master key by the key's URL.

The libraries of services and modules are optional. They are imported when their provider is used.
"""

import re
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from trially.keys.providers.bounded import BoundedProvider
from trially.keys.providers.errors import UnknownProviderError
from trially.keys.providers.file_provider import FileProvider
from trially.keys.providers.pkcs11_uri import EXAMPLE, parse_pkcs11_uri
from trially.keys.providers.provider import KeyProvider

FORMS = {
    "file": re.compile("file:/"),
    "gcp-kms": re.compile("gcp-kms://projects/[^/]+/locations/[^/]+/keyRings/[^/]+/cryptoKeys/"),
    "aws-kms": re.compile("aws-kms://arn:[^:]+:kms:[^:]+:[^:]+:(alias|key)/"),
    "pkcs11": re.compile("pkcs11:"),
}
"""The beginning of the URLs of each kind."""

EXAMPLES = (
    "file:///etc/trially/master-key.json",
    "gcp-kms://projects/P/locations/L/keyRings/R/cryptoKeys/K",
    "aws-kms://arn:aws:kms:REGION:ACCOUNT:alias/NAME",
    EXAMPLE,
)

LIBRARIES = {
    "gcp-kms": ("google", "google.cloud", "google.cloud.kms"),
    "aws-kms": ("boto3",),
    "pkcs11": ("pkcs11",),
}
"""The modules that a provider needs, each package before those in it."""

EXTRAS = {"gcp-kms": "google-kms", "aws-kms": "aws-kms", "pkcs11": "pkcs11"}


def open_provider(url: str, seconds: float, *, creates_file: bool = False) -> KeyProvider:
    """Return the provider of the master key with this URL. It is not contacted yet.

    Each of its calls ends within `seconds`. `creates_file` lets a key ring's file be created on its
    first use. Raises `UnknownProviderError`.
    """
    return BoundedProvider(_open(url, seconds, creates_file=creates_file), seconds)


def check_provider(url: str) -> None:
    """Raise `UnknownProviderError` if a URL names no provider, or one without its library.

    It loads no library.
    """
    kind = _kind_of(url)
    if kind == "pkcs11":
        parse_pkcs11_uri(url)
    for name in LIBRARIES.get(kind, ()):
        if find_spec(name) is None:
            raise UnknownProviderError(
                f"It needs the library {name}. Install it: `pip install 'trially[{EXTRAS[kind]}]'`,"
                " or the pinned versions in requirements/key-providers.txt."
            )


def _open(url: str, seconds: float, *, creates_file: bool) -> KeyProvider:
    provider: KeyProvider
    match _kind_of(url):
        case "file":
            return FileProvider(Path(unquote(urlsplit(url).path)), creates=creates_file)
        case "gcp-kms":
            provider = _load("google_kms").GoogleKmsProvider(_name_in(url), seconds)
        case "aws-kms":
            provider = _load("aws_kms").AwsKmsProvider(_name_in(url), seconds)
        case _:
            provider = _load("pkcs11_provider").Pkcs11Provider(parse_pkcs11_uri(url))
    return provider


def _kind_of(url: str) -> str:
    """Return the kind of a URL's provider, or raise `UnknownProviderError`."""
    for kind, form in FORMS.items():
        if form.match(url):
            return kind
    raise UnknownProviderError(f"Set it to a URL of one of these forms: {', '.join(EXAMPLES)}.")


def _name_in(url: str) -> str:
    return url.partition("://")[2]


def _load(name: str) -> Any:
    return import_module(f"trially.keys.providers.{name}")
