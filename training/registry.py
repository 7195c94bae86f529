"""Bundles in the MLflow model registry: versions and aliases. What serves is for the deployment pointer to say."""

from typing import Any, Literal

MODEL_NAME = "fairstall"
Alias = Literal["champion", "candidate", "shadow"]


def register_bundle(client: Any, *, run_id: str, artifact_path: str, bundle_version: str) -> str:
    """Makes the bundle that a run logged a version of the registered model, and returns that version."""
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(
            MODEL_NAME, description="Fairstall bundles: int8 ONNX with certified thresholds."
        )
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    source = f"{client.get_run(run_id).info.artifact_uri}/{artifact_path}"
    tags = {"bundle": bundle_version}
    version = client.create_model_version(MODEL_NAME, source=source, run_id=run_id, tags=tags, await_creation_for=0)
    return str(version.version)


def set_alias(client: Any, alias: Alias, version: str) -> None:
    """Points `alias` at a version; one that pointed elsewhere moves."""
    client.set_registered_model_alias(MODEL_NAME, alias, version)


def version_of_bundle(client: Any, bundle_version: str) -> str | None:
    """The registry's version of a bundle, or None when it was never registered here."""
    found = client.search_model_versions(f"name = '{MODEL_NAME}' and tags.bundle = '{bundle_version}'")
    return str(found[0].version) if found else None
