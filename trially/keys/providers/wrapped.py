"""The form in which the catalog stores a wrapped data key.

It is one line of five words: the form's version, the provider's kind, the version of the master
key, the master key's name, and the ciphertext in base64. So a value says which key unwraps it.
"""

from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from urllib.parse import quote, unquote

FORM = "1"


@dataclass(frozen=True)
class WrappedKey:
    """A data key, encrypted with one version of a master key."""

    kind: str
    """The kind of provider, such as `file`."""

    key_name: str
    """The name of the master key at its provider."""

    key_version: str
    """The version of the master key."""

    ciphertext: bytes = field(repr=False)

    def __str__(self) -> str:
        """Return the line that the catalog stores."""
        name, version = quote(self.key_name), quote(self.key_version)
        return f"{FORM} {self.kind} {version} {name} {b64encode(self.ciphertext).decode()}"

    @classmethod
    def parse(cls, line: str) -> "WrappedKey":
        """Return the wrapped key of a stored line, or raise `ValueError`."""
        form, kind, version, name, ciphertext = line.split(" ")
        if form != FORM:
            raise ValueError("The form of a wrapped key is unknown.")
        return cls(kind, unquote(name), unquote(version), b64decode(ciphertext, validate=True))

    @property
    def master_key(self) -> str:
        """The master key and its version, for people."""
        return f"{self.kind} {self.key_name} version {self.key_version}"
