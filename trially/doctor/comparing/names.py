"""The names that differ between equal placements, and their placeholders."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class Unit:
    """A schema of one tenant in a database that tenants share."""

    schema: str
    role: str
    tenant_id: str


@dataclass(frozen=True)
class Names:
    """The names of one database and of what is in it."""

    login: str
    """The login role, which has the name of the database."""

    tenant_id: str = ""
    """The tenant of a database of its own; empty in a shared one."""

    units: Sequence[Unit] = ()
    """The tenants with a schema of their own."""

    @cached_property
    def units_by_schema(self) -> Mapping[str, Unit]:
        """The units by the names of their schemas."""
        return {unit.schema: unit for unit in self.units}

    def replace(self, text: str, scope: str) -> str:
        """Replace the names in a text of one scope by placeholders."""
        for name, placeholder in self._placeholders(scope):
            text = text.replace(name, placeholder)
        return text

    def fill(self, text: str, scope: str) -> str:
        """Replace the placeholders in a text of one scope by the names."""
        for name, placeholder in self._placeholders(scope):
            text = text.replace(placeholder, name)
        return text

    def _placeholders(self, scope: str) -> Sequence[tuple[str, str]]:
        if scope not in self._placeholders_by_scope:
            self._placeholders_by_scope[scope] = self._read_placeholders(scope)
        return self._placeholders_by_scope[scope]

    @cached_property
    def _placeholders_by_scope(self) -> dict[str, Sequence[tuple[str, str]]]:
        return {}

    def _read_placeholders(self, scope: str) -> Sequence[tuple[str, str]]:
        pairs = [(self.login, "{login}"), (self.tenant_id, "{tenant_id}")]
        unit = self.units_by_schema.get(scope)
        if unit is not None:
            pairs += [(unit.role, "{role}"), (unit.schema, "{schema}")]
            pairs += [(unit.tenant_id, "{tenant_id}")]
        return [pair for pair in pairs if pair[0]]
