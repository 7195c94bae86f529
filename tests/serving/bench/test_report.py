"""A run as figures, tables, a page and a picture: what falls short is said, and what was not measured."""

from dataclasses import replace

import pytest

from fairstall.model.errors import InputError, SetupError
from fairstall.serving.bench.contestants import DURABLE, FULL, NOT_DURABLE, PLAIN, PLAIN_WORKERS
from fairstall.serving.bench.figures import Figure, Wanted, figures
from fairstall.serving.bench.plots import draw_plot
from fairstall.serving.bench.report import (
    BEGIN,
    END,
    FALLS_SHORT,
    figure_sheet,
    load_sheet,
    markdown_table,
    rich_table,
    warnings,
    write_results,
)
from fairstall.serving.bench.results import (
    Arrivals,
    BenchResult,
    Latencies,
    ListingFacts,
    Load,
    LoadRun,
    RawLimit,
    ServerRun,
    Settings,
    read_result,
    result_json,
)
from fairstall.serving.bench.rounds import ALONE, AT_32, AT_HALF, AT_HALF_RANDOM

ROUNDS = 3
AT_QUARTER = Load(Arrivals.EVEN, share=0.25)


def run(load: Load, rate: float, p99: float, **changes: float | None) -> LoadRun:
    latency = Latencies(p50_ms=p99 / 2, p90_ms=p99 * 0.9, p99_ms=p99, max_ms=p99 * 2)
    made = LoadRun(load, 10.0, round(rate * 10), 0, latency, 18.0, 300.0, 1.0, round(rate * 10) + 3)
    return replace(made, **changes)


def servers(name: str, *runs: LoadRun, rates: tuple[float, ...] = (1.0, 1.0, 1.0)) -> tuple[ServerRun, ...]:
    """One start a round; `rates` make a round faster or slower."""
    return tuple(
        ServerRun(name, number, 1.5, tuple(replace(one, seconds=one.seconds / rate) for one in runs))
        for number, rate in enumerate(rates, 1)
    )


@pytest.fixture
def result() -> BenchResult:
    service = (run(ALONE, 190, 6), run(AT_32, 400, 90), run(AT_QUARTER, 100, 8), run(AT_HALF, 200, 12))
    return BenchResult(
        begun_at="2026-11-22T12:00:00.000000Z",
        machine={"processor": "a processor", "cores": "2", "load before": "0.10"},
        versions={"python": "3.11", "onnxruntime": "1.32"},
        bundle="tiny-000000000000",
        bundle_digest="0" * 64,
        listings=ListingFacts("the seed corpus", 500, 44.0, 67.0, "1" * 64, {"approve": 0.9, "review": 0.1}),
        settings=Settings(ROUNDS, 10.0, 1_000_000, "SQLite", quick=False),
        install_mb={"numpy": 60.0, "fairstall": 40.0},
        raw=tuple(RawLimit(500.0, Latencies(5.0, 7.0, 8.0, 9.0)) for _ in range(ROUNDS)),
        servers=(
            *servers(DURABLE, *service, run(AT_HALF_RANDOM, 200, 16), rates=(0.9, 1.0, 1.1)),
            *servers(NOT_DURABLE, run(AT_32, 420, 85, stored=None)),
            *servers(FULL, run(AT_32, 395, 108), run(AT_HALF, 200, 12.6)),
            *servers(PLAIN, run(ALONE, 200, 6, stored=None), run(AT_32, 250, 140, stored=None)),
            *servers(PLAIN_WORKERS, run(AT_32, 300, 120, stored=None)),
            *servers("Slow 1.0", run(AT_32, 90, 400, stored=None)),
            *servers("Quick 2.0", run(AT_32, 200, 200, stored=None)),
        ),
    )


def by_name(result: BenchResult) -> dict[str, Figure]:
    return {figure.name: figure for figure in figures(result)}


def test_each_figure_is_the_median_of_the_ratios_of_its_rounds(result):
    found = by_name(result)
    share = found["that as a share of the raw limit"]
    assert share.values == pytest.approx((0.72, 0.80, 0.88))
    assert share.value == pytest.approx(0.80)
    assert found["that against Quick 2.0"].value == pytest.approx(2.0)
    assert found[f"that against {PLAIN_WORKERS}"].value == pytest.approx(400 / 300)
    assert found["p99 at half load against that"].value == pytest.approx(12 / 5)
    assert found["p99 with 1,000,000 decisions against none, 50% load"].value == pytest.approx(1.05)
    assert found["serving install"].value == 100


def test_what_falls_short_is_said_and_nothing_else(result):
    short = {name for name, figure in by_name(result).items() if figure.falls_short}
    assert short == {
        f"that against {PLAIN_WORKERS}",
        "one connection against plain FastAPI",
        "p99 with 1,000,000 decisions against none, 32 connections",
    }
    assert {row[0] for row in figure_sheet(result).rows if row[-1] == FALLS_SHORT} == short


def test_a_bound_is_met_by_itself():
    for wanted in (Wanted(2.0, at_least=True), Wanted(2.0, at_least=False)):
        assert not Figure("f", (2.0,), wanted).falls_short
    assert str(Wanted(0.8, at_least=True, goal=0.88)) == "at least 0.8, goal 0.88"


def test_what_was_not_measured_is_said(result):
    alone = replace(result, servers=tuple(one for one in result.servers if one.contestant == DURABLE))
    rows = {row[0]: row for row in figure_sheet(alone).rows}
    assert rows["that against the best framework"][1] == "not measured"
    assert rows["that against plain FastAPI"][1] == "not measured"


def test_lost_answers_and_errors_are_counted_and_warned_of(result):
    broken = run(AT_32, 400, 90, failed=2, stored=3_990)
    spoilt = replace(result, servers=(*result.servers, ServerRun(DURABLE, 4, 1.5, (broken,))))
    found = by_name(spoilt)
    assert found["requests without a good answer"].value == 2
    assert found["answers without a stored decision"].value == 10
    assert f"{DURABLE}: some requests got no good answer." in warnings(spoilt)
    assert warnings(result) == []


def test_a_contestant_that_could_not_be_measured_is_told_of(result):
    failed = replace(result, failures=("round 2, Slow 1.0: it is not ready:\nits log",))
    assert warnings(failed) == ["Not measured: round 2, Slow 1.0: it is not ready:"]


def test_a_busy_machine_and_a_quick_run_are_warned_of(result):
    told = warnings(
        replace(result, machine={**result.machine, "load before": "1.7"}, settings=replace(result.settings, quick=True))
    )
    assert [line.split()[:3] for line in told] == [["A", "quick", "run:"], ["The", "machine", "was"]]


def test_every_load_has_a_row_in_both_kinds_of_table(result):
    sheet = load_sheet(result)
    first = [f"{DURABLE}, {load}" for load in ("1 connection", "32 connections", "25% load")]
    assert [row[0] for row in sheet.rows][:3] == first
    assert len(sheet.rows) == sum(len(result.by_load(name)) for name in result.contestants)
    assert rich_table(sheet).row_count == len(sheet.rows)
    lines = markdown_table(sheet).splitlines()
    assert len(lines) == len(sheet.rows) + 2
    assert {line.count("|") for line in lines} == {len(sheet.columns) + 1}


def test_a_result_survives_its_file(result, tmp_path):
    file = tmp_path / "bench.json"
    file.write_bytes(result_json(result))
    assert read_result(file) == result
    file.write_text("{}")
    with pytest.raises(SetupError, match="no result of the bench"):
        read_result(file)


def test_results_take_the_place_of_older_ones_in_the_page(result):
    page = f"# Performance\n\n{BEGIN}\nold\n{END}\n\nafter\n"
    written = write_results(page, result)
    assert "old" not in written
    assert written.startswith("# Performance\n")
    assert written.endswith("\n\nafter\n")
    assert write_results(written, result) == written
    assert "![" in written
    with pytest.raises(InputError, match="no place for results"):
        write_results("# Performance\n", result)


def test_the_picture_is_the_same_for_the_same_run(result):
    first, second = draw_plot(result), draw_plot(result)
    assert first == second
    assert first["png"].startswith(b"\x89PNG")
    assert b"<svg" in first["svg"]
