"""YAML to plain values that remember where they stood. What the values mean is the reader's business.

Only the plain part of YAML: mappings with text keys, lists and scalars. Aliases, tags and deep nesting are refused,
so that a hostile file costs no more than its size.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import yaml

MAX_DEPTH = 12
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Path: TypeAlias = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, order=True)
class Mark:
    """A place in a text; both count from 1, in characters."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Fault:
    """What makes a text unreadable or doubtful as YAML. `path` leads to the value that it is about."""

    mark: Mark
    path: Path
    message: str


@dataclass(frozen=True, slots=True)
class MarkedYaml:
    """`value` is made of dict, list, str, int, float, bool and None; None when nothing could be read.

    `values` and `keys` say where the value at a path, and the key that leads to it, begin.
    """

    value: object
    values: Mapping[Path, Mark]
    keys: Mapping[Path, Mark]
    faults: tuple[Fault, ...]

    @property
    def readable(self) -> bool:
        return () in self.values


def read_marked(text: str) -> MarkedYaml:
    """The one document in `text`. Never raises: what is wrong is in `faults`."""
    reader = _Reader(text)
    try:
        value = reader.document()
    except _Refused as refused:
        return MarkedYaml(None, {}, {}, (*reader.faults, refused.fault))
    except yaml.YAMLError as error:
        return MarkedYaml(None, {}, {}, (*reader.faults, _syntax_fault(error, text)))
    return MarkedYaml(value, reader.values, reader.keys, tuple(reader.faults))


class _Refused(Exception):
    def __init__(self, event: Any, path: Path, message: str) -> None:
        super().__init__(message)
        self.fault = Fault(_mark(event.start_mark), path, message)


class _Reader:
    def __init__(self, text: str) -> None:
        self.values: dict[Path, Mark] = {}
        self.keys: dict[Path, Mark] = {}
        self.faults: list[Fault] = []
        self._events: Iterator[Any] = yaml.parse(text, Loader=_LOADER)
        self._scalars: Any = yaml.SafeLoader("")

    def document(self) -> object:
        self._next()
        event = self._next()
        if isinstance(event, yaml.StreamEndEvent):
            raise _Refused(event, (), "the file is empty")
        value = self._value(self._next(), ())
        self._next()
        event = self._next()
        if not isinstance(event, yaml.StreamEndEvent):
            raise _Refused(event, (), "a second document begins here; a file holds one")
        return value

    def _next(self) -> Any:
        return next(self._events)

    def _value(self, event: Any, path: Path) -> object:
        self._refuse_tricks(event, path)
        self.values.setdefault(path, _mark(event.start_mark))
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(path)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(path)
        return self._scalar(event)

    def _refuse_tricks(self, event: Any, path: Path) -> None:
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            raise _Refused(event, path, "anchors and aliases (& and *) are not accepted; write the value out")
        if event.tag is not None:
            raise _Refused(event, path, f"tags are not accepted: {event.tag}")
        if len(path) >= MAX_DEPTH:
            raise _Refused(event, path, f"nested deeper than {MAX_DEPTH} levels")

    def _mapping(self, path: Path) -> dict[str, object]:
        mapping: dict[str, object] = {}
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            key = self._key(event, path)
            at = (*path, key)
            if key in mapping:
                message = f"given twice; first on line {self.keys[at].line}"
                self.faults.append(Fault(_mark(event.start_mark), at, message))
                self._value(self._next(), at)
                continue
            self.keys.setdefault(at, _mark(event.start_mark))
            mapping[key] = self._value(self._next(), at)
        return mapping

    def _key(self, event: Any, path: Path) -> str:
        self._refuse_tricks(event, path)
        if not isinstance(event, yaml.ScalarEvent):
            raise _Refused(event, path, "a field's name must be plain text")
        return str(event.value)

    def _sequence(self, path: Path) -> list[object]:
        items: list[object] = []
        while not isinstance(event := self._next(), yaml.SequenceEndEvent):
            items.append(self._value(event, (*path, len(items))))
        return items

    def _scalar(self, event: Any) -> object:
        tag = self._scalars.resolve(yaml.ScalarNode, event.value, event.implicit)
        if tag.rpartition(":")[2] not in {"int", "float", "bool", "null"}:
            return event.value
        try:
            value: object = self._scalars.construct_object(yaml.ScalarNode(tag, event.value))
        except ValueError:
            return event.value
        return value


def _mark(mark: Any) -> Mark:
    return Mark(mark.line + 1, mark.column + 1)


def _syntax_fault(error: yaml.YAMLError, text: str) -> Fault:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        message = ", ".join(part for part in (error.context, error.problem) if part)
        return Fault(_mark(error.problem_mark), (), f"this is not YAML: {message}")
    unprintable = yaml.reader.Reader.NON_PRINTABLE.search(text)
    before = text[: unprintable.start()] if unprintable else ""
    mark = Mark(before.count("\n") + 1, len(before) - before.rfind("\n"))
    return Fault(mark, (), f"this character is not accepted: {unprintable.group()!r}" if unprintable else str(error))
