"""Which bundle a command means when it is not told one: the champion of the home folder, or else the starter bundle."""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from fairstall.cli.settings import models_folder, tracking_at
from fairstall.model.bundle import Bundle, open_bundle
from fairstall.model.certificates import PolicyThresholds
from fairstall.model.deployed import Beside, Deployment, Deployments, Role
from fairstall.model.errors import BundleError, Conflict, MissingExtra, SetupError
from fairstall.model.starter_bundle import starter_bundle
from fairstall.model.wire import iso_utc

log = logging.getLogger("fairstall.cli")

CHAMPION, STARTER = "champion", "starter"
REGISTERED = "models:/"
CANDIDATE_HELP = (
    "A bundle's folder, or 'starter' for what is shipped, or models:/fairstall@ALIAS from the MLflow registry."
)


def bundle_in_force(home: Path, chosen: Path | None = None) -> Bundle:
    """The chosen bundle, else the champion, else the starter bundle; opened and checked. Raises SetupError."""
    if chosen:
        return open_bundle(chosen)
    deployments = Deployments(models_folder(home))
    current = deployments.current()
    return deployments.bundle(current) if current else starter_bundle()


def thresholds_in_force(home: Path, chosen: Path | None = None) -> Callable[[], Mapping[str, PolicyThresholds]]:
    """What tells the thresholds of the bundle in force whenever it is asked, none while that cannot be read."""

    @lru_cache(maxsize=1)
    def of(_current: Deployment | None) -> Mapping[str, PolicyThresholds]:
        return bundle_in_force(home, chosen).facts.thresholds

    def tell() -> Mapping[str, PolicyThresholds]:
        try:
            return of(Deployments(models_folder(home)).current())
        except SetupError as error:
            log.warning("the thresholds of the bundle in force are not shown: %s", error)
            return {}

    return tell


def named_bundle(name: str, home: Path) -> Bundle:
    """The bundle in the folder `name`, or 'champion' or 'starter'; opened and checked. Raises SetupError."""
    if name == STARTER:
        return starter_bundle()
    return bundle_in_force(home) if name == CHAMPION else open_bundle(Path(name))


@contextmanager
def folder_of(name: str, home: Path, tracking: str | None) -> Iterator[str]:
    """The folder that `name` is, or that of a registered model, fetched for as long as the context lasts.

    Other names stay as they are. Raises MissingExtra or InputError.
    """
    if not name.startswith(REGISTERED):
        yield name
        return
    if not find_spec("mlflow"):
        raise MissingExtra(name, "evals")
    from fairstall.training.registered import registered_bundle

    with registered_bundle(name, tracking_at(home, tracking).uri) as folder:
        yield str(folder)


def put_beside(role: Role, name: str, *, share: float, home: Path, tracking: str | None) -> Beside:
    """Run the named bundle beside the champion. Raises SetupError, or Conflict when it is the champion."""
    with folder_of(name, home, tracking) as folder:
        bundle = named_bundle(folder, home)
        if bundle.version == bundle_in_force(home).version:
            raise Conflict(f"{bundle.version} serves already")
        since = iso_utc(datetime.now(UTC))
        return Deployments(models_folder(home)).put_beside(role, bundle, share=share, since=since)


def beside_line(role: Role, home: Path) -> str | None:
    """Version, share and since when, tab-separated; None when nothing runs in that role."""
    beside = Deployments(models_folder(home)).beside(role)
    return f"{beside.version}\t{beside.share:.4g}\t{beside.since}" if beside else None


def bundles_at_hand(home: Path, in_force: Bundle) -> Iterator[Bundle]:
    """The bundle in force, the starter bundle, and those that were deployed and are still whole; each once."""
    yield in_force
    deployments, seen = Deployments(models_folder(home)), {in_force.version}
    for past in deployments.history():
        if past.version not in seen:
            seen.add(past.version)
            with suppress(BundleError):
                yield deployments.bundle(past)
    if (starter := starter_bundle()).version not in seen:
        yield starter
