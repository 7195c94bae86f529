"""A backtest as files: `backtest.json` with every number, `changes.jsonl`, and `backtest.html` to read and pass on.

The page loads nothing and runs nothing; all that comes from a seller is escaped.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

from fairstall.evals.backtest import Backtest
from fairstall.evals.backtest_sheets import Sheet, headline, limits, sheets
from fairstall.evals.change_sample import ChangedListing, Shift
from fairstall.model.decide import Evidence
from fairstall.model.listing import TEXT_FIELDS, Field

NUMBERS_FILE, CHANGES_FILE, PAGE_FILE = "backtest.json", "changes.jsonl", "backtest.html"


def write_backtest(folder: Path, found: Backtest, changes: Sequence[ChangedListing]) -> None:
    """Write the three files into `folder`, which is made; earlier ones are replaced."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / NUMBERS_FILE).write_text(json.dumps(backtest_body(found), indent=1) + "\n", encoding="utf-8")
    with (folder / CHANGES_FILE).open("w", encoding="utf-8") as file:
        # As ASCII, so that no character of a seller ends a line or turns the direction of an editor's text.
        file.writelines(json.dumps(changed.body()) + "\n" for changed in changes)
    (folder / PAGE_FILE).write_text(backtest_page(found, changes), encoding="utf-8")


def backtest_body(found: Backtest) -> dict[str, Any]:
    """Every number as plain values; the same ledger gives the same."""
    flow = found.flow
    return {
        "old": found.old,
        "new": found.new,
        "added": found.added,
        "retired": found.retired,
        **flow.body(),
        "cases_per_1000_before": flow.per_thousand(flow.cases_before),
        "cases_per_1000_after": flow.per_thousand(flow.cases_after),
        "policies": {code: asdict(shift) for code, shift in found.policies.items()},
        "segments": {
            kind: {name: flow.body() for name, flow in sorted(flows.items())} for kind, flows in found.segments.items()
        },
        "other_policies": found.other_policies,
        "other_model": found.other_model,
        "asked": dict(sorted(found.asked.items())),
        "judgements": [asdict(judgement) for judgement in found.judgements],
        "bootstrap": asdict(found.bootstrap),
    }


def backtest_page(found: Backtest, changes: Sequence[ChangedListing]) -> str:
    """One HTML page that needs nothing else."""
    page = Template(files("fairstall.evals").joinpath("backtest_page.html").read_text(encoding="utf-8"))
    return page.substitute(
        title=escape(f"{found.old} → {found.new}"),
        headline=escape(headline(found)),
        tables="\n".join(_table(sheet) for sheet in sheets(found)),
        limits="\n".join(f"<li>{escape(limit)}</li>" for limit in limits(found)),
        changes="\n".join(_article(changed) for changed in changes) or "<p>No outcome changes.</p>",
    )


def _table(sheet: Sheet) -> str:
    head = "".join(f"<th scope=col>{escape(column)}</th>" for column in sheet.columns)
    rows = "\n".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in sheet.rows)
    note = f"\n<p class=facts>{escape(sheet.note)}</p>" if sheet.note else ""
    return f"<table><caption>{escape(sheet.title)}</caption>\n<tr>{head}</tr>\n{rows}</table>{note}"


def _article(changed: ChangedListing) -> str:
    marks = {field: tuple(_marks(changed, field)) for field in TEXT_FIELDS}
    title, description = (_marked(changed.listing.text(field), marks[field]) for field in TEXT_FIELDS)
    facts = [f"{changed.before} → {changed.after}", *map(_shift, changed.shifts)]
    if changed.violated is not None:
        facts.append(f"reviewed as {', '.join(sorted(changed.violated)) or 'compliant'}")
    facts.append(f"decision {changed.decision_id}, seller {changed.listing.seller_id}")
    told = "<br>\n".join(escape(fact) for fact in facts)
    return f"<article><h3>{title}</h3>\n<p class=facts>{told}</p>\n<div class=text>{description}</div></article>"


def _shift(shift: Shift) -> str:
    model = "" if shift.probability is None else f", model {shift.probability:.3f}"
    return f"{shift.policy}: {shift.before} → {shift.after}{model}"


Mark = tuple[Evidence, str]


def _marks(changed: ChangedListing, field: Field) -> Iterator[Mark]:
    """Evidence in one field with its class, in the order of the text; what overlaps an earlier mark is left out."""
    kinds: Iterable[Mapping[str, tuple[Evidence, ...]]] = (
        {"come": shift.evidence_come, "gone": shift.evidence_gone} for shift in changed.shifts
    )
    found = [(one, name) for by in kinds for name, evidence in by.items() for one in evidence if one.field == field]
    end = 0
    for one, name in sorted(found, key=lambda mark: (mark[0].start, -mark[0].end)):
        if one.start >= end:
            yield one, name
            end = one.end


def _marked(text: str, marks: Sequence[Mark]) -> str:
    """`text` escaped, its marks in place."""
    parts, end = [], 0
    for one, name in marks:
        parts += [escape(text[end : one.start]), f'<mark class="{name}">{escape(text[one.start : one.end])}</mark>']
        end = one.end
    return "".join([*parts, escape(text[end:])])
