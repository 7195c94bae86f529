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
from fairstall.model.decide import Band, Doubt, Finding, Outcome, Source
from fairstall.model.listing import TEXT_FIELDS
from fairstall.model.model_evidence import WeighedSpan, Weight
from fairstall.model.policies import PolicySet
from fairstall.records.ledger import CaseReason

if TYPE_CHECKING:
    from fairstall.labeling.web import Visit

HERE = Path(__file__).parent

REASONS = {
    CaseReason.UNCERTAIN: ("Unsure", "The model or a rule has a doubt that only a person can settle."),
    CaseReason.CONTROL: ("Blind review", "Drawn at random, to measure how well listings are judged."),
    CaseReason.SECOND_OPINION: ("Second review", "By somebody who does not know of the first one."),
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
WEIGHTS = {
    None: "evidence",
    Weight.LOW: "weak model evidence",
    Weight.MEDIUM: "model evidence",
    Weight.HIGH: "strong model evidence",
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
            weights=WEIGHTS,
            outcomes=OUTCOMES,
            skip_reasons=SKIP_REASONS,
            ways=WAYS,
            told_lane=told_lane,
            modules=sorted(file.stem for file in (HERE / "static").glob("*.js")),
            Permission=Permission,
            now=clock,
            may=may,
        )
        self._environment.filters.update(
            ago=lambda moment: ago(moment, clock()),
            ahead=lambda moment: ahead(moment, clock()),
            band_word=BANDS.__getitem__,
            clock=lambda moment: f"{moment:%d %B, %H:%M} UTC",
            duration=duration,
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


def spans_of(findings: Sequence[Finding], of_model: Sequence[WeighedSpan] = ()) -> dict[str, list[Span]]:
    """Evidence of rules and of the model per field, numbered like the findings."""
    spans: dict[str, list[Span]] = {name: [] for name in TEXT_FIELDS}
    numbers = {finding.policy: number for number, finding in enumerate(findings, start=1)}
    for finding in findings:
        for evidence in finding.evidence:
            spans[evidence.field].append(Span(evidence.start, evidence.end, numbers[finding.policy]))
    for one in of_model:
        if one.policy in numbers:
            spans[one.field].append(Span(one.start, one.end, numbers[one.policy], one.weight))
    return spans


def duration(seconds: float) -> str:
    """A length of time in its two largest units: `1 min 20 s`."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{whole} s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def marked(text: str | None, spans: Sequence[Span] = ()) -> MarkedText:
    """What a seller wrote, ready for the `seller` macro."""
    return mark_text(text or "", spans)
