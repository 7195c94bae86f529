"""A bundle as an MLflow model: a table of listings in, a table of decisions out. Nothing is pickled or decided here.

The model's folder is the bundle's folder with MLflow's own files beside it, so `open_bundle` reads both.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fairstall.evals.scored import ROWS_AT_ONCE, SESSIONS
from fairstall.model.assess import Assessor, assess_listings
from fairstall.model.bundle import FACTS_FILE, SEALED_FILES, Bundle, open_bundle
from fairstall.model.decide import Outcome
from fairstall.model.decision import Assessment
from fairstall.model.errors import InputError, ListingError
from fairstall.model.listing import Listing
from fairstall.model.policies import PolicySet
from fairstall.model.policy_file import load_policies, starter_policies
from fairstall.model.scorer import OnnxScorer
from fairstall.model.wire import parse_listing

if TYPE_CHECKING:
    from mlflow.models import ModelSignature
    from pandas import DataFrame, Series

INPUTS = {"title": True, "description": True, "language": False}  # is it required? No other column changes a decision
OUTCOME, STOPPED, VIOLATION = "outcome", "stopped", "violation"
DEFAULTS = {"output": None, "policies": None}  # MLflow takes no setting that the model was not saved with
EXAMPLE = (
    {"title": "Oak bookcase, five shelves", "description": "Collected from the seller.", "language": "en"},
    {"title": "Genuine ivory carving, no papers", "description": "Posted abroad.", "language": "en"},
)


class BundleModel:
    """What MLflow calls: a sealed bundle run as serving runs it. Safe to share between threads.

    `output` names the one column that is wanted, None for all of them.
    """

    def __init__(self, bundle: Bundle, policies: PolicySet, *, output: str | None = None) -> None:
        self._assessor = Assessor(bundle, policies)
        self._scorers = [OnnxScorer(bundle) for _ in range(SESSIONS)]
        self._columns = output_columns(bundle.facts.labels)
        if output is not None and output not in self._columns:
            raise InputError(f"the model has no output {output!r}; it has {', '.join(self._columns)}")
        self._output = output

    def predict(self, model_input: "DataFrame") -> "DataFrame | Series":
        """One row a listing under the index of `model_input`. Raises InputError that names a row that is no listing."""
        from pandas import DataFrame

        listings = [_listing(number, row) for number, row in enumerate(model_input.to_dict("records"))]
        rows = [
            _decision_row(assessment)
            for start in range(0, len(listings), ROWS_AT_ONCE)
            for assessment in assess_listings(self._assessor, self._scorers, listings[start : start + ROWS_AT_ONCE])
        ]
        table = DataFrame(rows, columns=list(self._columns), index=model_input.index)
        return table[self._output] if self._output else table


def save_pyfunc(bundle: Bundle, folder: Path, *, run_id: str | None = None) -> None:
    """Write `bundle` as an MLflow model into `folder`, which is new or empty. `run_id` is the run it belongs to."""
    import mlflow.pyfunc
    from mlflow.models import Model
    from pandas import DataFrame

    mlflow.pyfunc.save_model(
        folder,
        loader_module=__name__,
        mlflow_model=Model(run_id=run_id, metadata={"bundle": bundle.version}),
        signature=model_signature(bundle.facts.labels),
        input_example=DataFrame(EXAMPLE),
        model_config=DEFAULTS,
        pip_requirements=[f"fairstall=={version('fairstall')}"],
    )
    for name in (FACTS_FILE, *SEALED_FILES):
        shutil.copy2(bundle.folder / name, folder)


def output_columns(labels: Sequence[str]) -> tuple[str, ...]:
    """The outcome, whether it is anything but approval, the highest probability, and each policy's under its code."""
    return (OUTCOME, STOPPED, VIOLATION, *labels)


def model_signature(labels: Sequence[str]) -> "ModelSignature":
    """Input and output columns with their types, as MLflow enforces the one and shows both."""
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, Schema

    types = {OUTCOME: DataType.string, STOPPED: DataType.boolean}
    inputs = [ColSpec(DataType.string, name, required=required) for name, required in INPUTS.items()]
    outputs = [ColSpec(types.get(name, DataType.double), name) for name in output_columns(labels)]
    return ModelSignature(inputs=Schema(inputs), outputs=Schema(outputs))


def _load_pyfunc(path: str, model_config: Mapping[str, Any] | None = None) -> BundleModel:
    """MLflow's entry: the model in a folder that `save_pyfunc` wrote, with a policy file other than ours if named."""
    config = {**DEFAULTS, **(model_config or {})}
    policies = load_policies(Path(config["policies"])) if config["policies"] else starter_policies()
    return BundleModel(open_bundle(Path(path)), policies, output=config["output"])


def _listing(number: int, row: Mapping[str, Any]) -> Listing:
    """Checked as an upload is. A cell without text is a text that is missing."""
    texts = {name: row[name] for name in INPUTS if isinstance(row.get(name), str)}
    upload = {"listing_id": f"row-{number}", "seller_id": "unknown", "title": "", "description": "", **texts}
    try:
        return parse_listing(json.dumps(upload))
    except ListingError as error:
        raise InputError(f"row {number}: {error}") from error


def _decision_row(assessment: Assessment) -> dict[str, object]:
    return {
        OUTCOME: str(assessment.outcome),
        STOPPED: assessment.outcome is not Outcome.APPROVE,
        VIOLATION: max(assessment.probabilities.values()),
        **assessment.probabilities,
    }
