"""Where the shipped bundle lies. What it was made of stands in its own card."""

from importlib.resources import files
from pathlib import Path

from fairstall.model.bundle import Bundle, open_bundle


def starter_bundle_folder() -> Path:
    """The starter bundle's folder inside the installed package."""
    return Path(str(files("fairstall.model"))) / "starter"


def starter_bundle() -> Bundle:
    """The starter bundle, opened and checked. Raises BundleError."""
    return open_bundle(starter_bundle_folder())
