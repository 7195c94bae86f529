"""A training file is read strictly."""

from pathlib import Path

import pytest

from fairstall.model.errors import SetupError
from fairstall.training.config import load_config, shipped_config


@pytest.mark.parametrize("name", ["starter", "small"])
def test_shipped_configurations_are_valid(name: str) -> None:
    assert shipped_config(name).name == name


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("seed = 1", "'name' is missing"),
        ('name = "x"\nlearning = 1', "unknown key 'learning'"),
        ('name = "x"\n[tune]\nrate = 1', "tune: unknown key 'rate'"),
        ('name = "x"\nseed = "one"', "seed must be of type int"),
        ('name = "x"\n[tune]\nbf16 = 1', "bf16 must be of type bool"),
        ('name = "x"\n[encoder]\nkind = "huge"', "kind must be one of minilm, tiny"),
        ('name = "x"\nlanguages = "en"', "languages must be a list of strings"),
        ('name = "x"\ntune = 3', "tune must be a table"),
        ("name = ", "cannot be read as TOML"),
    ],
)
def test_a_wrong_file_is_refused_by_name(tmp_path: Path, text: str, problem: str) -> None:
    file = tmp_path / "run.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SetupError, match=problem):
        load_config(file)


def test_a_whole_number_is_a_number(tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    file.write_text('name = "x"\n[tune]\nencoder_rate = 0', encoding="utf-8")
    assert load_config(file).tune.encoder_rate == 0.0
