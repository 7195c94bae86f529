"""Every metric there is: each module of this package offers a `METRICS` tuple, and is found by being here."""

import importlib
import pkgutil
from functools import cache

from fairstall.evals.metric import Metric


@cache
def all_metrics() -> tuple[Metric, ...]:
    """The metrics of all modules, in the order of the modules' names."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    modules = [importlib.import_module(f"{__name__}.{name}") for name in names]
    return tuple(metric for module in modules for metric in module.METRICS)
