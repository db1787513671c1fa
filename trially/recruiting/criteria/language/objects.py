"""Objects of the language: frozen dataclasses whose fields say how they are read and written."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Self, TypeVar

from trially.recruiting.criteria.language.problems import CriteriaError, Problem, refuse, step
from trially.recruiting.criteria.language.shapes import Json, Shape, listed, show


class Part:
    """An object of the language, made of the fields that `key` declares."""

    single: ClassVar[str | None] = None
    """The field that a value stands for, if the value is no object. It is written as an object."""
    direct: ClassVar[str | None] = None
    """The only field, if its value is written without an object around it."""

    needs: ClassVar[tuple[str, ...]] = ()
    """Fields of which an object must have one, for the JSON Schema. `check` refuses others."""

    def check(self) -> Iterator[tuple[str, str]]:
        """Yield the relative pointer and the sentence of each contradiction between fields."""
        return iter(())

    def canonical(self) -> Self:
        """Return the object in the one form that all spellings of it share."""
        return self


P = TypeVar("P", bound=Part)


def key(shape: Shape[Any], about: str, default: Any = dataclasses.MISSING) -> Any:
    """Declare a field: its shape, what it means, and its value where an author leaves it out.

    A name that is a word of Python ends with `_`, which JSON leaves out: `in_`.
    """
    metadata = {"shape": shape, "about": about}
    return dataclasses.field(default=default, metadata=metadata, kw_only=True)


def keys_of(part: type[Part]) -> dict[str, "dataclasses.Field[Any]"]:
    """Return the fields of an object by their names in JSON."""
    return {
        each.name.rstrip("_"): each
        for each in dataclasses.fields(part)  # type: ignore[arg-type]
        if "shape" in each.metadata
    }


@dataclass(frozen=True)
class Object(Shape[P]):
    """The shape of an object of the language."""

    part: type[P]

    def parse(self, value: Json, pointer: str) -> P:
        """Return the object. Unknown members are refused, and all problems are reported."""
        alone = self.part.direct or (None if isinstance(value, dict) else self.part.single)
        if alone is not None:
            field = keys_of(self.part)[alone]
            return self._checked(
                {field.name: field.metadata["shape"].parse(value, pointer)}, pointer
            )
        if not isinstance(value, dict):
            raise refuse(pointer, f"{show(value)} is not an object.")
        problems = list(self._unknown_members(value, pointer))
        values: dict[str, Any] = {}
        for name, field in keys_of(self.part).items():
            if name in value:
                try:
                    shape: Shape[Any] = field.metadata["shape"]
                    values[field.name] = shape.parse(value[name], step(pointer, name))
                except CriteriaError as error:
                    problems += error.problems
            elif field.default is dataclasses.MISSING:
                problems.append(Problem(pointer, f"'{name}' is missing."))
        if problems:
            raise CriteriaError(problems)
        return self._checked(values, pointer)

    def _checked(self, values: dict[str, Any], pointer: str) -> P:
        part = self.part(**values)
        found = [Problem(pointer + place, detail) for place, detail in part.check()]
        if found:
            raise CriteriaError(found)
        return part.canonical()

    def _unknown_members(self, value: dict[str, Json], pointer: str) -> Iterator[Problem]:
        names = list(keys_of(self.part))
        for name in value:
            if name not in names:
                detail = f"'{name}' is not known here. Known are {listed(sorted(names))}."
                yield Problem(step(pointer, name), detail)

    def dump(self, value: P) -> Json:
        """Return the object, without members that have their default value."""
        if self.part.direct is not None:
            field = keys_of(self.part)[self.part.direct]
            return field.metadata["shape"].dump(getattr(value, field.name))
        return {
            name: field.metadata["shape"].dump(member)
            for name, field in keys_of(self.part).items()
            if (member := getattr(value, field.name)) != field.default
        }

    def schema(self) -> dict[str, Json]:
        """Describe the object."""
        fields = keys_of(self.part)
        if self.part.direct is not None:
            return _schema_of(fields[self.part.direct])
        described: dict[str, Json] = {
            "type": "object",
            "description": (self.part.__doc__ or "").split("\n\n")[0].replace("\n", " "),
            "properties": {name: _schema_of(field) for name, field in fields.items()},
            "additionalProperties": False,
        }
        required = [name for name, each in fields.items() if each.default is dataclasses.MISSING]
        if required:
            described["required"] = required
        if self.part.needs:
            described["anyOf"] = [{"required": [name]} for name in self.part.needs]
        if self.part.single is None:
            return described
        return {"anyOf": [fields[self.part.single].metadata["shape"].schema(), described]}


def _schema_of(field: "dataclasses.Field[Any]") -> dict[str, Json]:
    shape: Shape[Any] = field.metadata["shape"]
    described = {**shape.schema(), "description": field.metadata["about"]}
    default = None if field.default is dataclasses.MISSING else field.default
    if default not in (None, ()) and (written := shape.dump(default)) != {}:
        described["default"] = written
    return described
