"""Which bundles serve: pointer files in the models folder, replaced atomically, read by whoever serves.

models/champion.json     the Deployment in force
models/shadow.json       the Beside that is scored but never answers; absent when there is none
models/canary.json       the Beside that answers a share of the listings; absent when there is none
models/deployments.jsonl every Deployment that ever was, oldest first
models/VERSION/          the bundles themselves
"""

import json
import os
import shutil
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from fairstall.model.bundle import Bundle, open_bundle
from fairstall.model.errors import Conflict, SetupError

POINTER_FILE = "champion.json"
HISTORY_FILE = "deployments.jsonl"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Deployment:
    """`version` is the folder of the bundle; `reason` says which comparison or which person put it there."""

    version: str
    previous: str | None
    deployed_at: str
    reason: str


class Role(StrEnum):
    """What a bundle that runs beside the champion is there for."""

    SHADOW = "shadow"
    CANARY = "canary"

    @property
    def file(self) -> str:
        """The pointer file of this role."""
        return f"{self}.json"


@dataclass(frozen=True, slots=True)
class Beside:
    """A bundle that runs beside the champion, since when, and on which share of listings, 0 to 1."""

    version: str
    share: float
    since: str


class Deployments:
    """The models folder of one installation."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def current(self) -> Deployment | None:
        """The deployment in force, or None when nothing was ever deployed. Raises SetupError on a broken pointer."""
        found = self._read(POINTER_FILE)
        return None if found is None else self._made(Deployment, found, POINTER_FILE)

    def bundle(self, deployment: Deployment | Beside) -> Bundle:
        """The bundle that is meant, opened and checked. Raises BundleError."""
        return open_bundle(self._folder / deployment.version)

    def deploy(self, bundle: Bundle, *, reason: str, deployed_at: str) -> Deployment:
        """Copy `bundle` into the models folder and put it into service; a canary ends."""
        self._keep(bundle)
        current = self.current()
        return self._point_at(Deployment(bundle.version, current.version if current else None, deployed_at, reason))

    def roll_back(self, *, reason: str, deployed_at: str) -> Deployment:
        """Put the bundle before the present one back into service; a canary ends.

        Raises Conflict when there is none.
        """
        current = self.current()
        if current is None or current.previous is None:
            raise Conflict("there is no earlier deployment to roll back to")
        earlier = next(past for past in reversed(self.history()) if past.version == current.previous)
        open_bundle(self._folder / earlier.version)
        return self._point_at(Deployment(earlier.version, earlier.previous, deployed_at, f"rollback: {reason}"))

    def beside(self, role: Role) -> Beside | None:
        """The bundle in that role, or None. Raises SetupError on a broken pointer."""
        found = self._read(role.file)
        return None if found is None else self._made(Beside, found, role.file)

    def put_beside(self, role: Role, bundle: Bundle, *, share: float, since: str) -> Beside:
        """Copy `bundle` into the models folder and run it in that role, instead of another one."""
        self._keep(bundle)
        beside = Beside(bundle.version, share, since)
        self._write(role.file, json.dumps(asdict(beside)))
        return beside

    def clear(self, role: Role) -> None:
        """Run no bundle in that role."""
        (self._folder / role.file).unlink(missing_ok=True)

    def history(self) -> list[Deployment]:
        """Every deployment, oldest first."""
        try:
            lines = (self._folder / HISTORY_FILE).read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []
        return [Deployment(**json.loads(line)) for line in lines]

    def _keep(self, bundle: Bundle) -> None:
        kept = self._folder / bundle.version
        if kept.exists() or kept.resolve() == bundle.folder.resolve():
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        arriving = self._folder / f".{bundle.version}.arriving"
        shutil.rmtree(arriving, ignore_errors=True)
        shutil.copytree(bundle.folder, arriving)
        open_bundle(arriving)
        arriving.rename(kept)

    def _point_at(self, deployment: Deployment) -> Deployment:
        line = json.dumps(asdict(deployment))
        with (self._folder / HISTORY_FILE).open("a", encoding="utf-8") as history:
            history.write(line + "\n")
        self._write(POINTER_FILE, line)
        self.clear(Role.CANARY)
        return deployment

    def _read(self, name: str) -> Any:
        pointer = self._folder / name
        try:
            return json.loads(pointer.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise SetupError(f"{pointer} cannot be read: {error}") from error

    def _made(self, kind: type[T], found: Any, name: str) -> T:
        try:
            return kind(**found)
        except TypeError as error:
            raise SetupError(f"{self._folder / name} cannot be read: {error}") from error

    def _write(self, name: str, content: str) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        arriving = self._folder / f".{name}.arriving"
        with arriving.open("w", encoding="utf-8") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        arriving.replace(self._folder / name)
