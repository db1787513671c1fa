"""Read members of a registry's JSON, and note what cannot be used instead of losing the study."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from trially.plain_text import to_plain

Path = tuple[str, ...]

MOST_WARNINGS = 100
LONGEST_SHOWN = 60


@dataclass(slots=True)
class ValueReader:
    """Reads values of one study. What is missing is None; what cannot be used is noted."""

    body: Mapping[str, Any]
    warnings: list[dict[str, str]] = field(default_factory=list)
    """What was left out or changed: objects with `pointer` and `detail`."""

    def warn(self, path: Path, detail: str) -> None:
        """Note something about a value."""
        if len(self.warnings) < MOST_WARNINGS:
            self.warnings.append({"pointer": pointer_of(path), "detail": detail})

    def value(self, path: Path) -> Any:
        """Return a value as it is, or None if it or an object around it is missing."""
        found: Any = self.body
        for depth, name in enumerate(path):
            if found is None:
                return None
            if not isinstance(found, Mapping):
                self.warn(path[:depth], "Is no object, and was left out.")
                return None
            found = found.get(name)
        return found

    def text(self, path: Path, longest: int) -> str | None:
        """Return a line of text, cut to a length."""
        return self._line(self.value(path), path, longest)

    def lines(self, path: Path, longest: int) -> str | None:
        """Return a text of several lines, cut to a length."""
        found = self.value(path)
        if found is None:
            return None
        if not isinstance(found, str):
            self.warn(path, f"{shown(found)} is no text, and was left out.")
            return None
        text = to_plain(found.replace("\r\n", "\n").replace("\r", "\n"), keep_lines=True).strip()
        if len(text) > longest:
            self.warn(path, f"Has more than {longest:,} characters. The rest was left out.")
        return text[:longest] or None

    def texts(self, path: Path, longest: int, most: int) -> list[str]:
        """Return the lines of text of an array, each once."""
        lines = (
            self._line(item, (*path, str(place)), longest) for place, item in self.items(path, most)
        )
        return list(dict.fromkeys(line for line in lines if line is not None))

    def objects(self, path: Path, most: int) -> Iterator[tuple[Path, Mapping[str, Any]]]:
        """Yield the objects of an array with their paths."""
        for place, item in self.items(path, most):
            where = (*path, str(place))
            if isinstance(item, Mapping):
                yield where, item
            else:
                self.warn(where, f"{shown(item)} is no object, and was left out.")

    def items(self, path: Path, most: int) -> Iterator[tuple[int, Any]]:
        """Yield the first items of an array."""
        found = self.value(path)
        if found is None:
            return
        if not isinstance(found, list):
            self.warn(path, f"{shown(found)} is no array, and was left out.")
            return
        if len(found) > most:
            self.warn(path, f"Has more than {most} items. The rest was left out.")
        yield from enumerate(found[:most])

    def choice(self, path: Path, choices: Mapping[str, str]) -> str | None:
        """Return what a value stands for."""
        found = self.value(path)
        return None if found is None else self.chosen(found, path, choices)

    def chosen(self, found: Any, path: Path, choices: Mapping[str, str]) -> str | None:
        """Return what one of the registry's values stands for, or None for an unknown one."""
        key = found.strip().upper() if isinstance(found, str) else None
        if key is None or key not in choices:
            self.warn(path, f"{shown(found)} is no value that trially knows.")
            return None
        return choices[key] or None

    def flag(self, path: Path) -> bool | None:
        """Return true or false."""
        found = self.value(path)
        if found is None or isinstance(found, bool):
            return found
        self.warn(path, f"{shown(found)} is neither true nor false, and was left out.")
        return None

    def number(self, path: Path, most: int) -> int | None:
        """Return a whole number from 0 on."""
        found = self.value(path)
        if found is None:
            return None
        if isinstance(found, bool) or not isinstance(found, int) or not 0 <= found <= most:
            self.warn(path, f"{shown(found)} is no number from 0 to {most:,}, and was left out.")
            return None
        return found

    def _line(self, found: Any, path: Path, longest: int) -> str | None:
        if found is None:
            return None
        if not isinstance(found, str):
            self.warn(path, f"{shown(found)} is no text, and was left out.")
            return None
        line = " ".join(to_plain(found).split())
        if len(line) <= longest:
            return line or None
        self.warn(path, f"Has more than {longest} characters, and was cut.")
        return line[: longest - 1].rstrip() + "…"


def is_deeper_than(value: Any, most: int) -> bool:
    """Return whether a JSON value has more levels of objects and arrays."""
    level = [value]
    for _ in range(most + 1):
        level = [
            inner
            for each in level
            if isinstance(each, Mapping | list)
            for inner in (each.values() if isinstance(each, Mapping) else each)
        ]
        if not level:
            return False
    return True


def pointer_of(path: Path) -> str:
    """Return the JSON pointer (RFC 6901) of a path."""
    return "".join("/" + name.replace("~", "~0").replace("/", "~1") for name in path)


def shown(value: Any) -> str:
    """Return a value for a message: bounded, in quotes, and without control characters."""
    text = " ".join(to_plain(str(value)).split())
    cut = text if len(text) <= LONGEST_SHOWN else text[: LONGEST_SHOWN - 1] + "…"
    return f"'{cut}'"
