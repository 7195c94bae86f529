"""A bundle as an MLflow model: it decides as `fairstall score` does, and MLflow knows what goes in and comes out."""

import json
import subprocess
import sys
import warnings
from pathlib import Path

import pandas
import pytest

from fairstall.evals.pyfunc import save_pyfunc
from fairstall.model.bundle import open_bundle
from fairstall.model.errors import InputError

ROOT = Path(__file__).parents[2]
# MLflow's own use of its dependencies warns; the project's does not.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
SCORE = (sys.executable, "-m", "fairstall.cli.main", "score", "--scores")


@pytest.fixture(scope="module")
def folder(tmp_path_factory, tiny_bundle) -> Path:
    model = tmp_path_factory.mktemp("pyfunc") / "model"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        save_pyfunc(tiny_bundle, model)
    return model


@pytest.fixture(scope="module")
def table(listings) -> pandas.DataFrame:
    """Sixty listings, a disguised one, one without a word, and one in a language that the bundle does not read."""
    texts = [(row.title, row.description, row.language) for row in listings[:60]]
    texts += [("hero\u200bin", "", "en"), ("", "A desk lamp", None), ("Silla de jardín", "Recogida en casa.", "es")]
    return pandas.DataFrame(texts, columns=["title", "description", "language"])


def load(folder: Path, **config: str):
    import mlflow.pyfunc

    return mlflow.pyfunc.load_model(str(folder), model_config=config)


def scored(folder: Path, table: pandas.DataFrame) -> list[dict]:
    rows = table.astype(object).where(table.notna(), None).to_dict("records")
    lines = [json.dumps({"listing_id": str(n), "seller_id": "s", **row}) for n, row in enumerate(rows)]
    done = subprocess.run(
        [*SCORE, "--bundle", str(folder)], input="\n".join(lines), capture_output=True, text=True, check=True
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_outcomes_and_probabilities_are_those_of_fairstall_score(folder, table):
    given, expected = load(folder).predict(table), scored(folder, table)
    assert given["outcome"].tolist() == [answer["outcome"] for answer in expected]
    assert set(given["outcome"]) == {"approve", "review", "block"}
    labels = list(open_bundle(folder).facts.labels)
    assert given[labels].to_dict("records") == [answer["scores"] for answer in expected]
    assert given["violation"].tolist() == [max(answer["scores"].values()) for answer in expected]
    assert given["stopped"].tolist() == [answer["outcome"] != "approve" for answer in expected]


def test_the_model_folder_is_a_bundle(folder, tiny_bundle):
    assert open_bundle(folder).version == tiny_bundle.version
    assert load(folder).metadata.metadata == {"bundle": tiny_bundle.version}
    assert not list(folder.rglob("*.pkl"))


def test_the_signature_names_what_goes_in_and_what_comes_out(folder, tiny_bundle):
    signature = load(folder).metadata.signature
    assert signature.inputs.required_input_names() == ["title", "description"]
    assert signature.inputs.optional_input_names() == ["language"]
    assert signature.outputs.input_names() == ["outcome", "stopped", "violation", *tiny_bundle.facts.labels]


def test_the_input_example_runs(folder):
    model = load(folder)
    assert model.predict(model.input_example)["outcome"].tolist() == ["approve", "review"]


def test_a_wrong_column_is_refused_by_mlflow(folder, table):
    from mlflow.exceptions import MlflowException

    with pytest.raises(MlflowException, match=r"Model is missing inputs \['title'\]"):
        load(folder).predict(table.rename(columns={"title": "titel"}))


def test_cells_without_text_count_as_missing_and_the_index_is_kept(folder):
    table = pandas.DataFrame({"title": ["heroin", None], "description": [float("nan"), "lamp"]}, index=[7, 9])
    given = load(folder).predict(table)
    assert given["outcome"].to_dict() == {7: "block", 9: "approve"}


@pytest.mark.parametrize(("title", "problem"), [("", "title and description are both empty"), ("\x01", "U\\+0001")])
def test_a_row_that_is_no_listing_is_named(folder, title, problem):
    table = pandas.DataFrame({"title": ["lamp", title], "description": ["", ""]})
    with pytest.raises(InputError, match=f"row 1: title: .*{problem}"):
        load(folder).predict(table)


def test_one_output_may_be_asked_for_by_name(folder, table):
    model = load(folder)
    for name in ("stopped", "prohibited/drugs"):
        assert load(folder, output=name).predict(table).tolist() == model.predict(table)[name].tolist()
    with pytest.raises(InputError, match="no output 'drugs'; it has outcome, stopped, violation, prohibited/drugs"):
        load(folder, output="drugs")


def test_the_policies_may_be_others_than_the_starter_policies(folder, tmp_path):
    lamp = pandas.DataFrame({"title": ["A desk lamp"], "description": [""]})
    assert load(folder).predict(lamp)["outcome"].tolist() == ["approve"]
    starter = (ROOT / "policies" / "starter.yaml").read_text(encoding="utf-8")
    stricter = tmp_path / "stricter.yaml"
    stricter.write_text(starter.replace("- mdma crystals\n", "- desk lamp\n"), encoding="utf-8")
    assert load(folder, policies=str(stricter)).predict(lamp)["outcome"].tolist() == ["review"]
