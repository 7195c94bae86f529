"""Regular expressions by RE2: compiled once, run in linear time. What a hit means is `rules`' business."""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Protocol

import re2

_ENDS_OF_TEXT = re.compile(r"\\[Az]|\(\?\w*-\w*m")
_SURROGATES = re.compile("[\ud800-\udfff]")


class Match(Protocol):
    def start(self) -> int: ...

    def end(self) -> int: ...


class CompiledPattern(Protocol):
    """The part of an RE2 object that is used here. On `str` it counts in code points."""

    @property
    def programsize(self) -> int: ...

    def finditer(self, text: str) -> Iterator[Match]: ...

    def search(self, text: str) -> Match | None: ...


@lru_cache(maxsize=1_024)
def compile_pattern(regex: str) -> CompiledPattern:
    """`regex` ready to run, ignoring case. Raises ValueError with the reason when it cannot be used."""
    try:
        compiled: CompiledPattern = re2.compile(regex, _options())
    except re2.error as error:
        raise ValueError(f"RE2 refuses it: {_reason(error)}") from error
    if compiled.search("") is not None:
        raise ValueError("it matches the empty text, so it would match everywhere")
    return compiled


def any_of(regexes: tuple[str, ...], *, in_lines: bool = False) -> CompiledPattern | None:
    """One expression that matches where any of `regexes` does; None when RE2 finds it too large.

    With `in_lines` it is for several texts, each a line of one: where any of `regexes` matches a text, it matches the
    whole, and perhaps elsewhere. None when a text's own ends cannot be told from the whole's.
    """
    if in_lines and any(_ENDS_OF_TEXT.search(regex) for regex in regexes):
        return None
    group = "(?m:" if in_lines else "(?:"
    try:
        return compile_pattern("|".join(f"{group}{regex})" for regex in regexes))
    except ValueError:
        return None


def searchable(text: str) -> str:
    """`text` as RE2 can take it: lone surrogates, which have no UTF-8, become U+FFFD; every offset stays."""
    return text if text.isascii() else _SURROGATES.sub("\ufffd", text)


def _options() -> re2.Options:
    options = re2.Options()
    options.case_sensitive = False
    options.log_errors = False
    options.never_capture = True
    return options


def _reason(error: Exception) -> str:
    reason = error.args[0] if error.args else ""
    return reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
