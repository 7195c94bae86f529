"""From values to HTML: the templates, and the few words and filters that they share."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse, Response

from fairstall.labeling.lanes import told_lane
from fairstall.labeling.marked_text import MarkedText, Span, mark_text
from fairstall.labeling.permissions import Permission, may
from fairstall.labeling.queue import SkipReason
from fairstall.labeling.raw_text import raw_text
from fairstall.labeling.steps import StepKind
from fairstall.model.decide import Band, Doubt, Outcome, Source
from fairstall.model.policies import PolicySet
from fairstall.records.ledger import CaseReason

if TYPE_CHECKING:
    from fairstall.labeling.web import Visit

HERE = Path(__file__).parent

REASONS = {
    CaseReason.UNCERTAIN: ("Unsure", "The model or a rule has a doubt that only a person can settle."),
    CaseReason.CONTROL: ("Blind review", "Drawn at random, to measure how well listings are judged."),
    CaseReason.SECOND_OPINION: ("Second opinion", "Somebody has decided this case; what he decided is not shown."),
    CaseReason.APPEAL: ("Appeal", "The seller asks for another look."),
    CaseReason.REPORT: ("Report", "A buyer or a rights holder reported this listing."),
    CaseReason.ESCALATION: ("Escalation", "A colleague asks for a decision."),
}
DOUBTS = {
    Doubt.LANGUAGE: "The model was not trained for this language.",
    Doubt.TOO_LONG: "The text is longer than the model reads.",
    Doubt.EVASION: "The text is disguised: look at the marked characters.",
    Doubt.NOT_SCORED: "The model had no time to read it: nothing but rules has looked at this listing.",
}
BANDS = {Band.LOW: "low", Band.MEDIUM: "medium", Band.HIGH: "high"}
SOURCES = {
    Source.MODEL: "model",
    Source.RULE: "rule",
    Source.BOTH: "model + rule",
    Source.NEAR_DUPLICATE: "near duplicate",
}
OUTCOMES = {Outcome.APPROVE: "approved", Outcome.REVIEW: "in review", Outcome.BLOCK: "blocked"}

SKIP_REASONS = {
    SkipReason.LANGUAGE: "I do not read the language",
    SkipReason.EXPERTISE: "It takes knowledge that I lack",
    SkipReason.POLICY_UNCLEAR: "The policy is not clear to me",
    SkipReason.INVOLVED: "I know the seller",
    SkipReason.DISTRESSING: "I would rather not look at this",
    SkipReason.OTHER: "Something else",
}
WAYS = {
    StepKind.SKIPPED: "Skipped",
    StepKind.HELD: "Held",
    StepKind.HANDED_OVER: "Handed over",
    StepKind.ESCALATED: "Escalated",
    StepKind.RECALLED: "Called back",
}
THEMES = ("light", "dark")
THEME_COOKIE = "fairstall_theme"

_STEPS = ((timedelta(days=1), "day"), (timedelta(hours=1), "hour"), (timedelta(minutes=1), "minute"))


class Views:
    """Renders templates. Everything is escaped; a missing value is an error."""

    def __init__(self, policies: PolicySet, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._environment = Environment(
            loader=FileSystemLoader(HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals.update(
            reasons=REASONS,
            doubts=DOUBTS,
            bands=BANDS,
            sources=SOURCES,
            outcomes=OUTCOMES,
            skip_reasons=SKIP_REASONS,
            ways=WAYS,
            told_lane=told_lane,
            modules=sorted(file.stem for file in (HERE / "static").glob("*.js")),
            Permission=Permission,
            may=may,
        )
        self._environment.filters.update(
            ago=lambda moment: ago(moment, clock()),
            ahead=lambda moment: ahead(moment, clock()),
            clock=lambda moment: f"{moment:%d %B, %H:%M} UTC",
            marked=marked,
            raw_text=raw_text,
            paragraphs=lambda text: [part for part in text.split("\n\n") if part.strip()],
            policy_title=lambda code: policies[code].title if code in policies.by_code else code,
            utc=lambda moment: f"{moment:%d %B %Y, %H:%M} UTC",
        )

    def page(self, template: str, visit: "Visit", *, status: int = 200, **values: Any) -> Response:
        """A whole page for a visitor."""
        theme = visit.request.cookies.get(THEME_COOKIE)
        html = self._environment.get_template(template).render(
            base=visit.base,
            session=visit.session,
            user=visit.session.user if visit.session else None,
            theme=theme if theme in THEMES else None,
            **values,
        )
        return HTMLResponse(html.encode("utf-8", "replace"), status)


def ago(moment: datetime, now: datetime) -> str:
    """How long ago, in the largest whole unit: `3 hours ago`."""
    passed = _in_words(now - moment)
    return f"{passed} ago" if passed else "just now"


def ahead(moment: datetime, now: datetime) -> str:
    """When it is due: `in 3 hours`, `2 days late`."""
    if left := _in_words(moment - now):
        return f"in {left}"
    late = _in_words(now - moment)
    return f"{late} late" if late else "now"


def _in_words(length: timedelta) -> str:
    for unit, word in _STEPS:
        if (count := length // unit) > 0:
            return f"{count} {word}{'s' if count > 1 else ''}"
    return ""


def marked(text: str | None, spans: Sequence[Span] = ()) -> MarkedText:
    """What a seller wrote, ready for the `seller` macro."""
    return mark_text(text or "", spans)
