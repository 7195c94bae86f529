"""A training run is followed by lines where there is no terminal: one for each stage that is done."""

import pytest

from fairstall.cli.progress import stage_lines
from fairstall.training.progress import Progress


def test_each_stage_leaves_one_line_when_it_is_done(capsys: pytest.CaptureFixture[str]) -> None:
    with stage_lines() as report:
        report(Progress("tune", 32, 640, 60.0))
        report(Progress("tune", 640, 640, 64.0))
        assert capsys.readouterr().err == ""
        report(Progress("[bold]score", 1, 2, 0.0))
        [line] = capsys.readouterr().err.splitlines()
    assert line.split() == ["tune", "640", "0:00:00", "64", "rows/s"]
    assert capsys.readouterr().err.startswith("[bold]score")


def test_a_run_that_fails_names_the_stages_before(capsys: pytest.CaptureFixture[str]) -> None:
    def fails() -> None:
        with stage_lines() as report:
            report(Progress("tune", 1, 1, 0.0))
            report(Progress("export", 0, 1, 0.0))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fails()
    assert capsys.readouterr().err.split()[0] == "tune"
