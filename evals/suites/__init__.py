"""Every suite there is: each module of this package offers a `SUITE`, and is found by being here."""

import importlib
import pkgutil
from functools import cache

from fairstall.evals.suite import Suite


@cache
def all_suites() -> dict[str, Suite]:
    """The suites of all modules by name, in the order of names."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    suites = [importlib.import_module(f"{__name__}.{name}").SUITE for name in names]
    return {suite.name: suite for suite in suites}
