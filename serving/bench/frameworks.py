"""Frameworks that serve models, each with the same model in its strongest set-up: how each is installed and started.

What runs there is in `peers/`, and who runs it in an environment of its own is `environments`.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from fairstall.model.bundle import open_bundle
from fairstall.model.listing import Listing
from fairstall.serving.bench.asking import HOLE, Asking, ask_with_texts
from fairstall.serving.bench.contestants import PROGRAMS
from fairstall.serving.bench.processes import free_port

BUNDLE_LINK = "bundle"

Command: TypeAlias = list[str | Path]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a framework runs: its environment's programs, a folder of its own that has the bundle in it, its port."""

    programs: Path
    folder: Path
    port: int


@dataclass(frozen=True, slots=True)
class Framework:
    """`prepare` writes what it reads from its folder; `command` starts it there.

    It is installed with the ONNX Runtime and the tokenizers that Fairstall has, unless it asks for its own.
    """

    name: str
    package: str
    requirements: tuple[str, ...]
    command: Callable[[Place], Command]
    asking: Asking
    prepare: Callable[[Place], None] = lambda _place: None
    variables: Mapping[str, str] = field(default_factory=dict)
    own_runtime: bool = False


def _litserve(place: Place) -> Command:
    return [place.programs / "python", PROGRAMS / "serve_litserve.py", BUNDLE_LINK, str(place.port)]


def _bentoml(place: Place) -> Command:
    served = ["serve", "serve_bentoml:Listings", "--host", "127.0.0.1", "--port", str(place.port)]
    return [place.programs / "bentoml", *served]


def _mlserver(place: Place) -> Command:
    return [place.programs / "mlserver", "start", "."]


def _write_mlserver_settings(place: Place) -> None:
    ports = {"http_port": place.port, "grpc_port": free_port(), "metrics_port": free_port()}
    settings = {**ports, "host": "127.0.0.1", "parallel_workers": 2, "debug": False}
    model = {"name": "listings", "implementation": "serve_mlserver.ListingRuntime"}
    (place.folder / "settings.json").write_text(json.dumps(settings))
    (place.folder / "model-settings.json").write_text(json.dumps(model))


def _infinity(place: Place) -> Command:
    engine = ["--engine", "optimum", "--device", "cpu", "--onnx-disable-optimize", "--no-model-warmup"]
    served = ["v2", "--model-id", ".", "--served-model-name", "listings", *engine]
    return [place.programs / "infinity_emb", *served, "--host", "127.0.0.1", "--port", str(place.port)]


def _write_transformer(place: Place) -> None:
    """The bundle as infinity reads it: a folder of the hub's form, where it takes the graph that is named quantized."""
    folder, bundle = place.folder, open_bundle(place.folder / BUNDLE_LINK)
    labels = dict(enumerate(bundle.facts.labels))
    config = {
        "model_type": "bert",
        "architectures": ["BertForSequenceClassification"],
        "problem_type": "multi_label_classification",
        "id2label": labels,
        "label2id": {label: place for place, label in labels.items()},
    }
    tokenizer = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": bundle.facts.max_tokens}
    tokenizer |= {"model_input_names": ["input_ids", "attention_mask"], "pad_token": "[PAD]", "sep_token": "[SEP]"}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer))
    (folder / "tokenizer.json").symlink_to(bundle.tokenizer.resolve())
    (folder / "model_quantized.onnx").symlink_to(bundle.model.resolve())


def _tensors(listing: Listing) -> dict[str, Any]:
    texts = [listing.title, listing.description]
    return {"inputs": [{"name": "texts", "shape": [2], "datatype": "BYTES", "data": texts}]}


def _one_text(listing: Listing) -> dict[str, Any]:
    """Title and description as one text that becomes the same tokens as the two."""
    return {"model": "listings", "input": [f"{listing.title} [SEP] {listing.description}"]}


_ID = {"X-Listing-Id": HOLE}
_PROBABILITIES = '"probabilities":'

FRAMEWORKS = (
    Framework("BentoML", "bentoml", ("bentoml==1.4.40",), _bentoml, ask_with_texts("/score", _PROBABILITIES)),
    Framework("LitServe", "litserve", ("litserve==0.2.19",), _litserve, ask_with_texts("/predict", _PROBABILITIES)),
    Framework(
        "MLServer",
        "mlserver",
        ("mlserver==1.7.1", "uvloop<0.22"),  # its workers ask for an event loop that newer ones do not make
        _mlserver,
        Asking("/v2/models/listings/infer", _tensors, '"name":"probabilities"', _ID),
        prepare=_write_mlserver_settings,
    ),
    Framework(
        "infinity",
        "infinity-emb",
        ("torch==2.13.0", "infinity-emb[optimum,server]==0.0.78", "transformers<5"),
        _infinity,
        Asking("/classify", _one_text, '"score":', _ID),
        prepare=_write_transformer,
        variables={"DO_NOT_TRACK": "1"},
        own_runtime=True,
    ),
)
