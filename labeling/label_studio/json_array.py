"""One large JSON array of objects, read one at a time."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from fairstall.model.errors import InputError

READ_AT_ONCE = 1_000_000
MAX_ITEM_CHARACTERS = 20_000_000
_DECODER = json.JSONDecoder()


def read_array(file: Path) -> Iterator[dict[str, Any]]:
    """The objects of the array in `file`, in order. Raises InputError that counts items from 1."""
    try:
        with file.open(encoding="utf-8-sig") as stream:
            yield from _items(_Window(stream), file)
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{file} is not UTF-8") from error


def _items(window: "_Window", file: Path) -> Iterator[dict[str, Any]]:
    if not window.take("["):
        raise InputError(f"{file} is no JSON array")
    number = 0
    while not window.take("]"):
        if number and not window.take(","):
            raise InputError(f"{file}: there is no comma and no end after item {number}")
        number += 1
        yield _object(window, f"{file}: item {number}")


def _object(window: "_Window", name: str) -> dict[str, Any]:
    try:
        item = window.value()
    except json.JSONDecodeError as error:
        raise InputError(f"{name} is no JSON, or longer than {MAX_ITEM_CHARACTERS} characters: {error.msg}") from error
    if not isinstance(item, dict):
        raise InputError(f"{name} is no object")
    return item


class _Window:
    """The part of a text that is being read."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._text = ""
        self._at = 0

    def take(self, character: str) -> bool:
        """Go behind `character` if it comes next."""
        if self._next() != character:
            return False
        self._at += 1
        return True

    def value(self) -> Any:
        """The JSON value that comes next. Raises JSONDecodeError."""
        self._next()
        while True:
            try:
                value, self._at = _DECODER.raw_decode(self._text, self._at)
                return value
            except json.JSONDecodeError:
                if len(self._text) - self._at > MAX_ITEM_CHARACTERS or not self._more():
                    raise

    def _next(self) -> str:
        """The next character that is no space, and where reading goes on; empty at the end."""
        while True:
            while self._at < len(self._text) and self._text[self._at].isspace():
                self._at += 1
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def _more(self) -> bool:
        """Read on, as much again as is held, so that a long item is not decoded from its start too often."""
        held = self._text[self._at :]
        read = self._stream.read(max(READ_AT_ONCE, len(held)))
        self._text, self._at = held + read, 0
        return bool(read)
