"""Virtual environments of the frameworks: made once, then used to start each framework as a contestant."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from importlib import metadata
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from fairstall.model.bundle import Bundle
from fairstall.model.errors import SetupError
from fairstall.model.listing import Listing
from fairstall.model.scorer import OnnxScorer
from fairstall.serving.bench.contestants import PROGRAMS, Opening, Target
from fairstall.serving.bench.frameworks import BUNDLE_LINK, FRAMEWORKS, Framework, Place
from fairstall.serving.bench.processes import free_port, server_process
from fairstall.serving.bench.single import ask

SAME_RUNTIME = ("onnxruntime", "tokenizers")
CHECKED_LISTINGS = 8
TOLERANCE = 0.02  # of a probability; another ONNX Runtime rounds otherwise


def environment(folder: Path, framework: Framework) -> Path:
    return folder / framework.name.lower()


def make_environment(folder: Path, framework: Framework) -> None:
    """Install a framework into an environment of its own. Raises SetupError with what pip says."""
    home = environment(folder, framework)
    runtime = () if framework.own_runtime else (f"{name}=={metadata.version(name)}" for name in SAME_RUNTIME)
    _run([sys.executable, "-m", "venv", home])
    _run([home / "bin" / "python", "-m", "pip", "install", "--quiet", *framework.requirements, *runtime])


def framework_contestants(
    environments: Path, bundle: Bundle, folder: Path, listings: Sequence[Listing]
) -> dict[str, Opening]:
    """Each framework that has an environment there, by its name and version. Raises SetupError when there is none."""
    present = [one for one in FRAMEWORKS if environment(environments, one).is_dir()]
    if not present:
        raise SetupError(f"{environments} has no environment of a framework: fairstall bench peers {environments}")
    wanted = _short(listings, bundle)
    return {
        _titled(one, environments): partial(_opened, one, environment(environments, one), bundle, folder, wanted)
        for one in present
    }


@contextmanager
def _opened(
    framework: Framework, home: Path, bundle: Bundle, folder: Path, listings: Sequence[Listing]
) -> Iterator[Target]:
    with tempfile.TemporaryDirectory(prefix="peer-", dir=folder) as own:
        place = Place(home.absolute() / "bin", Path(own).absolute(), free_port())
        (place.folder / BUNDLE_LINK).symlink_to(bundle.folder.resolve())
        framework.prepare(place)
        with server_process(
            framework.command(place),
            is_ready=lambda: ask(place.port, framework.asking, listings[0]) is not None,
            log=folder / "server.log",
            folder=place.folder,
            variables={**framework.variables, "PYTHONPATH": str(PROGRAMS)},
        ) as process:
            target = Target(place.port, process, framework.asking)
            check_answers(framework.name, target, bundle, listings)
            yield target


def check_answers(name: str, target: Target, bundle: Bundle, listings: Sequence[Listing]) -> None:
    """Raise SetupError unless a server gives the model's own probabilities, in whatever order and form."""
    scorer, tokenizer = OnnxScorer(bundle), Tokenizer.from_file(str(bundle.tokenizer))
    for listing in listings:
        ids = tokenizer.encode(listing.title, listing.description).ids
        wanted = np.sort(1 / (1 + np.exp(-scorer.run([ids])[0])))
        given = np.sort(np.array(_floats(ask(target.port, target.asking, listing))))
        if given.shape != wanted.shape or np.abs(given - wanted).max() > TOLERANCE:
            raise SetupError(f"{name} gives other probabilities than the model: {given} instead of {wanted}")


def _short(listings: Sequence[Listing], bundle: Bundle) -> list[Listing]:
    """Some listings that are read in one window, where nothing is cut off."""
    tokenizer = Tokenizer.from_file(str(bundle.tokenizer))
    most = bundle.facts.max_tokens
    short = (one for one in listings if len(tokenizer.encode(one.title, one.description).ids) <= most)
    found = [*islice(short, CHECKED_LISTINGS)]
    if not found:
        raise SetupError(f"no listing has {most} tokens or fewer: nothing to check the frameworks with")
    return found


def _floats(told: Any) -> list[float]:
    """Every fraction in the JSON of an answer."""
    if isinstance(told, float):
        return [told]
    inside = told.values() if isinstance(told, dict) else told if isinstance(told, list) else ()
    return [number for one in inside for number in _floats(one)]


def _titled(framework: Framework, environments: Path) -> str:
    """The name with the version that is installed, which may be another than the one that is asked for."""
    program = f"from importlib.metadata import version; print(version({framework.package!r}))"
    python = environment(environments, framework) / "bin" / "python"
    return f"{framework.name} {_run([python, '-c', program]).strip()}"


def _run(command: Sequence[str | Path]) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SetupError(f"{' '.join(map(str, command))} failed:\n{done.stderr.strip()}")
    return done.stdout
