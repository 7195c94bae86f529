"""Training runs in MLflow, on top of evals' tracking: the bundle, its registration, and parameters as flat names."""

import re
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from fairstall.evals.pyfunc import save_pyfunc
from fairstall.evals.tracking import Run, Tracking, tracking_client
from fairstall.model.bundle import Bundle
from fairstall.training.registry import register_bundle, set_alias

TRAINING = "fairstall training"
BUNDLE_ARTIFACT = "bundle"
_UNTAKEN = re.compile(r"[^A-Za-z0-9_.\-/: ]")
LONGEST_VALUE = 6000  # what MLflow takes as a parameter


def log_candidate(tracking: Tracking, run: Run, bundle: Bundle) -> str:
    """Logs the bundle, as an MLflow model, and registers it as the candidate; returns the registry's version."""
    client = tracking_client(tracking.uri)
    with TemporaryDirectory() as scratch:
        folder = Path(scratch) / BUNDLE_ARTIFACT
        save_pyfunc(bundle, folder, run_id=run.run_id)
        client.log_artifacts(run.run_id, str(folder), BUNDLE_ARTIFACT)
    client.set_tag(run.run_id, "fairstall.bundle_version", bundle.version)
    version = register_bundle(client, run_id=run.run_id, artifact_path=BUNDLE_ARTIFACT, bundle_version=bundle.version)
    set_alias(client, "candidate", version)
    return version


def flat_parameters(values: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested tables as dotted names, names and values such as MLflow takes."""
    flat: dict[str, str] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat |= flat_parameters(value, f"{prefix}{name}.")
        else:
            flat[_UNTAKEN.sub("_", f"{prefix}{name}")] = str(value)[:LONGEST_VALUE]
    return flat
