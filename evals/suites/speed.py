"""How long a listing takes on this machine, alone and on one thread."""

import json
from dataclasses import asdict

from fairstall.evals.sampling import both_sides
from fairstall.evals.speed import LISTINGS, ROUNDS, listing_times, measure_speed
from fairstall.evals.suite import Subject, Suite, SuiteReport


def run(subject: Subject) -> SuiteReport:
    from fairstall.evals.suite_tables import speed_table

    listings = [row.listing() for row in both_sides(subject.rows, LISTINGS // 2)]
    progress = subject.begin("speed", ROUNDS * len(listings))
    times = listing_times([subject.bundle], listings, policies=subject.policies, progress=progress)
    found = measure_speed(times[0], bootstrap=subject.bootstrap)
    facts = json.dumps(asdict(found), indent=1, sort_keys=True) + "\n"
    return SuiteReport(found.metrics(), facts, shown=(speed_table(found),))


SUITE = Suite("speed", "listings a second and latency on this machine, one thread", run, repeatable=False)
