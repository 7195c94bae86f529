"""The `fairstall` command: finds the module of a command, imports it only then, and turns errors into words."""

import importlib
import sys
from dataclasses import dataclass
from typing import Any

import typer
import typer.main
from typer.core import TyperGroup

from fairstall.model.errors import FairstallError, MissingExtra, ServiceError, SetupError


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a command is defined, as `module:attribute` (a function or a Typer app), and the extra that it needs."""

    target: str
    extra: str | None = None


COMMANDS = {
    "up": Entry("fairstall.cli.up:up", "all"),
    "serve": Entry("fairstall.cli.serve:serve", "serving"),
    "console": Entry("fairstall.cli.console:console", "labeling"),
    "score": Entry("fairstall.cli.score:score"),
    "train": Entry("fairstall.cli.train:train", "training"),
    "held-out": Entry("fairstall.cli.train:held_out", "training"),
    "retrain": Entry("fairstall.cli.train:retrain", "training"),
    "evaluate": Entry("fairstall.cli.evaluate:evaluate", "evals"),
    "compare": Entry("fairstall.cli.evaluate:compare", "evals"),
    "promote": Entry("fairstall.cli.evaluate:promote"),
    "rollback": Entry("fairstall.cli.evaluate:rollback"),
    "canary": Entry("fairstall.cli.canary:app"),
    "shadow": Entry("fairstall.cli.shadow:app"),
    "export-labels": Entry("fairstall.cli.labels:export_labels", "labeling"),
    "export-tasks": Entry("fairstall.cli.labels:export_tasks", "labeling"),
    "import-labels": Entry("fairstall.cli.labels:import_labels", "labeling"),
    "policy": Entry("fairstall.cli.policy:app"),
    "user": Entry("fairstall.cli.user:app", "labeling"),
    "key": Entry("fairstall.cli.key:app", "serving"),
    "rescan-prints": Entry("fairstall.cli.prints:rescan_prints", "serving"),
    "bench": Entry("fairstall.cli.bench:app", "serving"),
    "webhook": Entry("fairstall.cli.webhook:app", "serving"),
    "audit": Entry("fairstall.cli.audit:app", "records"),
    "erase": Entry("fairstall.cli.erase:erase", "records"),
    "archive": Entry("fairstall.cli.archive:archive", "archive"),
}


class LazyCommands(TyperGroup):
    """Commands by name, each imported when it is asked for."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            return None
        command = typer.main.get_command(_app(cmd_name, COMMANDS[cmd_name]))
        command.name = cmd_name
        return command


def _app(name: str, entry: Entry) -> typer.Typer:
    module, _, attribute = entry.target.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except ModuleNotFoundError as error:
        if entry.extra is None or (error.name or "").startswith("fairstall"):
            raise
        return _app_that_lacks(name, entry.extra)
    if isinstance(found, typer.Typer):
        return found
    app = typer.Typer(add_completion=False)
    app.command(name)(found)
    return app


def _app_that_lacks(name: str, extra: str) -> typer.Typer:
    app = typer.Typer(add_completion=False)

    @app.command(name, context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
    def lacking() -> None:
        raise MissingExtra(name, extra)

    lacking.__doc__ = f"Needs fairstall[{extra}], which is not installed."
    return app


app = typer.Typer(cls=LazyCommands, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def fairstall() -> None:
    """Score every marketplace listing, let people decide the doubtful ones, and learn from what they decide."""


def main() -> None:
    """Run the command line. Errors that somebody can mend end in one line on standard error, without a traceback."""
    try:
        app()
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("fairstall"):
            raise
        _fail(f"the package '{error.name}' is not installed: pip install 'fairstall[all]'", status=2)
    except FairstallError as error:
        _fail(str(error), status=2 if isinstance(error, SetupError | ServiceError) else 1)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(141)


def _fail(message: str, *, status: int) -> None:
    typer.echo(f"fairstall: {message}", err=True)
    sys.exit(status)


if __name__ == "__main__":
    main()
