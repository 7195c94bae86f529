"""A task as Label Studio exports it, and the one label that its annotators' answers amount to. No database, no file."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from fairstall.labeling.label_studio.interface import CHOICES, COMPLIANT

Moment = Annotated[AwareDatetime, Field(strict=False)]


class _Exported(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)


class Region(_Exported):
    """One thing that an annotator did with one control."""

    from_name: str | None = None
    value: dict[str, Any] = Field(default_factory=dict)

    @property
    def chosen(self) -> list[Any]:
        """What was chosen, if this is the answer to the question of the policies."""
        choices = self.value.get("choices") if self.from_name == CHOICES else None
        return choices if isinstance(choices, list) else []


class Annotator(_Exported):
    id: int


class Annotation(_Exported):
    """One annotator's answer; `was_cancelled` says that he skipped the task."""

    id: int | None = None
    completed_by: int | Annotator | None = None
    was_cancelled: bool | None = False
    created_at: Moment | None = None
    updated_at: Moment | None = None
    result: list[Region] | None = None

    @property
    def at(self) -> datetime | None:
        return self.updated_at or self.created_at

    @property
    def chosen(self) -> frozenset[str]:
        return frozenset(str(choice) for region in self.result or () for choice in region.chosen)

    def by(self, position: int) -> str:
        """Who answered; an annotation without an annotator counts as one of its own, told by its position."""
        who = self.completed_by
        if isinstance(who, Annotator):
            who = who.id
        return f"annotation {position}" if who is None else f"annotator {who}"


class TaskData(_Exported):
    """The fields of a task that make a label; a project that did not come from here may have no ids and no language."""

    title: str
    description: str
    language: str | None = None
    decision_id: str | None = None
    case_id: str | None = None


class AnnotatedTask(_Exported):
    id: int
    data: TaskData
    annotations: list[Annotation]

    @property
    def standing(self) -> list[Annotation]:
        """Annotations that were not cancelled, the latest last."""
        kept = [one for one in self.annotations if not one.was_cancelled]
        return sorted(kept, key=lambda one: one.at or datetime.min.replace(tzinfo=UTC))


@dataclass(frozen=True, slots=True)
class Agreed:
    """The answer of more than half of the annotators: policies, or none for a compliant listing.

    Of one person's answers the latest is his vote; `reviews` counts all, `agreeing` those that say the same.
    """

    policies: frozenset[str]
    reviews: int
    reviewers: int
    agreeing: int
    latest: datetime | None


def misfits(annotations: Sequence[Annotation], codes: Collection[str]) -> list[str]:
    """What is wrong with answers: nothing chosen, choices that are not in force, or compliant and a policy at once."""
    return [problem for one in annotations for problem in _misfits(one, codes)]


def agree(annotations: Sequence[Annotation]) -> Agreed | None:
    """What the annotators of one task agree on, the latest annotation last; None when no answer has a majority."""
    answers = [one.chosen - {COMPLIANT} for one in annotations]
    votes = {one.by(position): answers[position] for position, one in enumerate(annotations)}
    answer, count = Counter(votes.values()).most_common(1)[0]
    if 2 * count <= len(votes):
        return None
    return Agreed(
        policies=answer,
        reviews=len(answers),
        reviewers=len(votes),
        agreeing=answers.count(answer),
        latest=annotations[-1].at,
    )


def _misfits(annotation: Annotation, codes: Collection[str]) -> list[str]:
    name, chosen = f"annotation {annotation.id}", annotation.chosen
    if not chosen:
        return [f"{name} chooses nothing in {CHOICES!r}"]
    if COMPLIANT in chosen and len(chosen) > 1:
        return [f"{name} chooses {COMPLIANT} and a policy"]
    unknown = sorted(chosen - {COMPLIANT} - set(codes))
    return [f"{name}: no policy in force is called {code[:80]!r}" for code in unknown]
