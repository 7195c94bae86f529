"""Labels that people gave elsewhere: checked line by line and kept as a file for training. They are not reviews.

A review closes a case and moves the ledger; an imported label does neither, so it goes into no table.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from fairstall.labeling.label_file import Manifest, write_labels
from fairstall.model.errors import InputError
from fairstall.model.wire import MAX_DESCRIPTION_CHARACTERS, MAX_TITLE_CHARACTERS

MAX_LINE_BYTES = 1_000_000
PROBLEMS_SHOWN = 20

Identifier = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Count = Annotated[int, Field(ge=1)]


class LabelBody(BaseModel):
    """One labelled listing: the corpora's row format, with the provenance that `export_labels` adds if there is any."""

    model_config = ConfigDict(extra="forbid", strict=True)

    id: Identifier
    title: Annotated[str, StringConstraints(max_length=MAX_TITLE_CHARACTERS)]
    description: Annotated[str, StringConstraints(max_length=MAX_DESCRIPTION_CHARACTERS)]
    language: Annotated[str, StringConstraints(pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$")] | None
    verdict: Literal["compliant", "violation"]
    policies: list[str]
    label_kind: Literal["review", "human", "human_3+_votes", "human_expert"]
    decision_id: Identifier | None = None
    case_id: Identifier | None = None
    reason: Identifier | None = None
    reviews: Count = 1
    reviewers: Count = 1
    decided_together: Count = 1
    agreeing: Count = 1
    reviewed_at: Identifier | None = None
    model_version: Identifier | None = None
    policies_version: Identifier | None = None
    inclusion_probability: Annotated[float, Field(gt=0, le=1)] = 1.0
    scores: dict[str, Annotated[float, Field(ge=0, le=1)]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _agree(self) -> "LabelBody":
        if bool(self.policies) != (self.verdict == "violation"):
            raise ValueError("a violation names its policies and a compliant listing names none")
        if not (self.title.strip() or self.description.strip()):
            raise ValueError("title and description are both empty")
        return self


def import_labels(file: Path, folder: Path, *, codes: Sequence[str]) -> Manifest:
    """Check `file` and keep a copy in `folder`, named by its content, with a manifest beside it.

    `codes` are the policies in force. Raises InputError that names up to twenty wrong lines; then nothing is kept.
    """
    rows = _checked(file, frozenset(codes))
    return write_labels(kept_file(folder, file), rows)


def kept_file(folder: Path, file: Path) -> Path:
    """Where the labels of `file` are kept: under its name and the beginning of its SHA-256."""
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return folder / f"{file.stem}-{digest[:12]}.jsonl"


def told(error: ValidationError) -> list[str]:
    """pydantic's problems in our words, each with its field; the input itself is never repeated."""
    return [_told(problem) for problem in error.errors(include_url=False, include_input=False)]


def refusal(file: Path, problems: Sequence[str]) -> InputError:
    """That nothing of `file` was kept, and the first twenty reasons."""
    return InputError("\n".join([f"nothing was imported from {file}", *problems[:PROBLEMS_SHOWN]]))


def _checked(file: Path, codes: frozenset[str]) -> list[Mapping[str, Any]]:
    rows: list[Mapping[str, Any]] = []
    problems: list[str] = []
    first_lines: dict[str, int] = {}
    for number, line in _lines(file):
        found = _row(line)
        if isinstance(found, LabelBody):
            rows.append(found.model_dump())
            found = _misfits(found, codes, first_lines, number)
        problems.extend(f"{file}:{number}: {problem}" for problem in found)
        if len(problems) >= PROBLEMS_SHOWN:
            break
    if problems:
        raise refusal(file, problems)
    if not rows:
        raise InputError(f"nothing was imported from {file}: it has no labels")
    return rows


def _row(line: bytes) -> LabelBody | list[str]:
    """The label on a line, or what is wrong with it."""
    if len(line) > MAX_LINE_BYTES:
        return [f"the line is longer than {MAX_LINE_BYTES} bytes"]
    try:
        return LabelBody.model_validate_json(line)
    except ValidationError as error:
        return told(error)


def _misfits(label: LabelBody, codes: frozenset[str], first_lines: dict[str, int], number: int) -> list[str]:
    problems = [f"policies: no policy in force is called {code!r}" for code in label.policies if code not in codes]
    earlier = first_lines.setdefault(label.id, number)
    if earlier != number:
        problems.append(f"id: {label.id!r} is on line {earlier} already")
    return problems


def _told(problem: Mapping[str, Any]) -> str:
    where = ".".join(str(part) for part in problem["loc"])[:80]
    return f"{where or 'label'}: {str(problem['msg']).removeprefix('Value error, ')}"


def _lines(file: Path) -> Iterator[tuple[int, bytes]]:
    """Lines that are not blank, counted from 1; of one that is too long only the beginning is read."""
    try:
        with file.open("rb") as stream:
            number = 0
            while line := stream.readline(MAX_LINE_BYTES + 1):
                number += 1
                part = line
                while not part.endswith(b"\n") and (part := stream.readline(MAX_LINE_BYTES)):
                    pass
                if line.strip():
                    yield number, line
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}") from error
