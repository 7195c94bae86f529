"""Bundles taken out of the MLflow model registry, by alias or version, for commands to use. Serving never does this."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from fairstall.evals.tracking import tracking_client
from fairstall.model.errors import InputError

_NAME = re.compile(r"models:/(?P<model>[^/@]+)(?:@(?P<alias>[^/@]+)|/(?P<version>[0-9]+))")


@contextmanager
def registered_bundle(name: str, tracking_uri: str) -> Iterator[Path]:
    """The folder of `models:/MODEL@ALIAS` or `models:/MODEL/VERSION`, for as long as the context lasts.

    Raises InputError when the name is none of these, or the registry does not have it.
    """
    named = _NAME.fullmatch(name)
    if named is None:
        raise InputError(f"{name} names no registered model: write models:/fairstall@candidate or models:/fairstall/3")
    with TemporaryDirectory() as scratch:
        yield _download(name, named, tracking_uri, Path(scratch))


def _download(name: str, named: re.Match[str], tracking_uri: str, folder: Path) -> Path:
    client = tracking_client(tracking_uri)
    from mlflow.artifacts import download_artifacts
    from mlflow.exceptions import MlflowException

    model, version = named["model"], named["version"]
    try:
        if version is None:
            version = client.get_model_version_by_alias(model, named["alias"]).version
        source = client.get_model_version_download_uri(model, version)
        return Path(download_artifacts(artifact_uri=source, dst_path=str(folder), tracking_uri=tracking_uri))
    except (MlflowException, OSError) as error:
        raise InputError(f"{name} cannot be taken from {tracking_uri}: {error}") from error
