"""`fairstall rescan-prints` says what it made."""

from typer.testing import CliRunner

from fairstall.cli.main import app
from fairstall.cli.prints import rescan_prints


def test_an_empty_store_needs_none(tmp_path, capsys):
    rescan_prints(home=tmp_path)
    assert capsys.readouterr().out == "0 fingerprints made; 0 blocked listings are too short for one\n"


def test_the_command_is_there_and_says_what_it_is_for():
    assert "compared also with what was blocked before" in " ".join(
        CliRunner().invoke(app, ["rescan-prints", "--help"]).output.split()
    )
