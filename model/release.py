"""Which release of Fairstall this is."""

from importlib.metadata import PackageNotFoundError, version


def release_version() -> str:
    """The version of the installed package; "0" when it runs from a folder that is not installed."""
    try:
        return version("fairstall")
    except PackageNotFoundError:
        return "0"
