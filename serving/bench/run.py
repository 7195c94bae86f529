"""One run of the bench from its plan to its result: what is prepared before the rounds, and told beside them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TypeAlias

from fairstall.model.assess import Assessor
from fairstall.model.bundle import Bundle
from fairstall.model.listing import Listing
from fairstall.model.policies import PolicySet
from fairstall.model.scorer import OnnxScorer
from fairstall.model.wire import iso_utc, json_line, listing_body
from fairstall.records.schema import migrate
from fairstall.serving.bench.closed_loop import wrk_program
from fairstall.serving.bench.contestants import plain_contestants, service_contestants
from fairstall.serving.bench.environments import framework_contestants
from fairstall.serving.bench.full_ledger import LedgerFiller
from fairstall.serving.bench.install_size import serving_install_mb
from fairstall.serving.bench.listings import listing_facts
from fairstall.serving.bench.machine import machine_facts, versions
from fairstall.serving.bench.results import BenchResult, Settings
from fairstall.serving.bench.rounds import QUICK, Field, Pace, run_rounds
from fairstall.serving.bench.stores import Stores, count_decisions, opened, stores_at
from fairstall.serving.limits import Limits

Begin: TypeAlias = Callable[[str, int], Callable[[int], None]]


@dataclass(frozen=True, slots=True)
class Plan:
    """What to measure: `source` says where the listings are from, `environments` has the frameworks, if any."""

    bundle: Bundle
    policies: PolicySet
    listings: Sequence[Listing]
    source: str
    folder: Path
    pace: Pace
    ledger_rows: int
    database: str | None = None
    environments: Path | None = None


def run_bench(plan: Plan, begin: Begin) -> BenchResult:
    """Measure everything. Raises SetupError where a tool is missing or a server does not start."""
    wrk_program()
    begun, machine = datetime.now(UTC), machine_facts()
    assessor, scorers = Assessor(plan.bundle, plan.policies), [OnnxScorer(plan.bundle) for _ in range(Limits().lanes)]
    stores = stores_at(plan.database, plan.folder)
    fill_ledger(plan, stores, partial(LedgerFiller, assessor, scorers, plan.listings, until=begun), begin)
    taking_part = _taking_part(plan, stores)
    facts, install_mb = listing_facts(plan.listings, plan.source, assessor, scorers), serving_install_mb()
    progress = begin(f"{plan.pace.rounds} rounds", plan.pace.steps(taking_part.contestants))
    found = run_rounds(taking_part, plan.pace, progress)
    return BenchResult(
        begun_at=iso_utc(begun),
        machine=machine,
        versions=versions(),
        bundle=plan.bundle.version,
        bundle_digest=plan.bundle.digest,
        listings=facts,
        settings=Settings(
            rounds=plan.pace.rounds,
            seconds=plan.pace.seconds,
            ledger_rows=plan.ledger_rows,
            database="PostgreSQL" if plan.database else "SQLite",
            quick=plan.pace == QUICK,
        ),
        install_mb=install_mb,
        raw=tuple(found.raw),
        servers=tuple(found.servers),
        failures=tuple(found.failures),
    )


def fill_ledger(plan: Plan, stores: Stores, new_filler: Callable[[], LedgerFiller], begin: Begin) -> None:
    """Bring the full ledger up to its number of decisions; what an earlier run left there counts."""
    with stores.kept(f"ledger-{plan.ledger_rows}") as url:
        with opened(url) as engine:
            migrate(engine)
        if (present := count_decisions(url)) < plan.ledger_rows:
            progress = begin(f"a ledger of {plan.ledger_rows:,} decisions", plan.ledger_rows - present)
            with opened(url) as engine:
                new_filler().fill(engine, present=present, wanted=plan.ledger_rows, progress=progress)


def _taking_part(plan: Plan, stores: Stores) -> Field:
    file, bundle = plan.folder / "listings.jsonl", plan.bundle.folder.absolute()
    file.write_text("".join(json_line(listing_body(one)) + "\n" for one in plan.listings), encoding="utf-8")
    contestants = service_contestants(bundle, stores, ledger_rows=plan.ledger_rows, folder=plan.folder)
    contestants |= plain_contestants(bundle, plan.folder)
    if plan.environments:
        contestants |= framework_contestants(plan.environments, plan.bundle, plan.folder, plan.listings)
    return Field(bundle, plan.listings, file, contestants, plan.folder)
