"""Describe the master key, and which data keys each of its versions has wrapped."""

from dataclasses import dataclass
from typing import Any

from trially.errors import OperatorError
from trially.keys.providers import KeyProviderError
from trially.state import app_state
from trially.tenancy.data_keys import has_master_key
from trially.tenancy.data_keys.rewrapping import Newest, count_by_master, newest_of, stored_keys
from trially.tenancy.lifecycle.data_key_ages import key_ages


@dataclass(frozen=True)
class MasterKeyUse:
    """The master key, the data keys that it wraps, and those that another key wraps."""

    newest: Newest | None
    data_keys: list[dict[str, Any]]
    tenants_without_key: int
    error: str | None

    @property
    def foreign(self) -> int:
        """The number of data keys that need `TRIALLY_PREVIOUS_MASTER_KEY`."""
        return sum(each["data_keys"] for each in self.data_keys if not each["is_current_key"])

    @property
    def behind(self) -> int:
        """The number of data keys that a former version of the current master key wraps."""
        return sum(
            each["data_keys"]
            for each in self.data_keys
            if each["is_current_key"] and not each["is_newest_version"]
        )

    @property
    def is_usable(self) -> bool:
        """Whether the current master key answers and wraps every data key."""
        return self.error is None and not self.foreign

    def described(self) -> dict[str, Any]:
        """Return the values to print as JSON."""
        return {
            "newest": None if self.newest is None else vars(self.newest),
            "data_keys": self.data_keys,
            "tenants_without_key": self.tenants_without_key,
            "error": self.error,
        }

    def sentences(self) -> list[str]:
        """Return what an operator should know or do."""
        if not has_master_key():
            return [f"There is no master key (TRIALLY_MASTER_KEY), so {self._without()}."]
        told = [self.error] if self.error else []
        if self.newest:
            told.append(f"The master key is {self.newest}.")
        if self.foreign:
            told.append(
                f"{self.foreign} data keys are wrapped by another master key. Keep it in"
                " TRIALLY_PREVIOUS_MASTER_KEY, and run `flask keys rotate-master`."
            )
        if self.behind:
            told.append(
                f"{self.behind} data keys are wrapped by a former version. Run `flask keys"
                " rotate-master` before you destroy that version."
            )
        if self.tenants_without_key:
            told.append(
                f"{self._without().capitalize()}. `flask keys rotate-data TENANT` creates it."
            )
        return told

    def _without(self) -> str:
        return f"{self.tenants_without_key} tenants have no data key"


def examine_master_key() -> MasterKeyUse:
    """Ask the provider for the newest version, and the catalog for the data keys."""
    newest, error = None, None
    try:
        newest = newest_of(app_state().data_keys.masters) if has_master_key() else None
    except (KeyProviderError, OperatorError) as failure:
        error = str(failure)
    counts = count_by_master(stored_keys())
    data_keys = [
        {
            "provider": kind,
            "name": name,
            "version": version,
            "data_keys": count,
            # Unknown while the provider does not answer.
            "is_current_key": newest is None or (kind, name) == (newest.kind, newest.key_name),
            "is_newest_version": newest is not None
            and (kind, name, version) == (newest.kind, newest.key_name, newest.key_version),
        }
        for (kind, name, version), count in sorted(counts.items())
    ]
    without = sum(each.version is None for each in key_ages())
    return MasterKeyUse(newest, data_keys, without, error)
