"""Every error that Fairstall raises on purpose. Foreign exceptions are translated into these at one boundary each.

FairstallError
├── SetupError                 the operator can mend it: no traceback is shown
│   ├── PolicyFileError        a policy file does not validate; carries line-exact problems
│   ├── BundleError            a bundle is incomplete, altered or made for another format
│   ├── CorpusError            a corpus is missing or is not the one that the recipe was written for
│   └── MissingExtra           a command needs packages that are not installed
├── NoScore                    the model gave no number for a listing: a fault of the bundle
├── InputError                 the caller can mend it: becomes a 4xx
│   ├── ListingError           a listing's field is missing, too long or of the wrong type
│   ├── NotFound               no such decision, case, user or key
│   ├── Unauthorized           no key or a bad one
│   ├── Forbidden              the key or the role does not allow this
│   └── Conflict               the state does not allow this (lease lost, idempotency key reused, already decided)
└── ServiceError               try again later: becomes a 429 or a 503
    ├── Overloaded             a bounded queue is full
    ├── DeadlineExceeded       the answer would come too late
    └── StoreUnavailable       the database is locked, full or gone; nothing was stored
"""

from dataclasses import dataclass


class FairstallError(Exception):
    """Something went wrong in Fairstall."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip())


class SetupError(FairstallError):
    """The set-up is wrong."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong at one place of a file; `line` and `column` count from 1, in characters."""

    line: int
    column: int
    where: str
    message: str

    def __str__(self) -> str:
        return f"{self.line}:{self.column}: {self.where}: {self.message}"


class PolicyFileError(SetupError):
    """The policy file does not validate."""

    def __init__(self, file: str, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(f"{file}:{problem}" for problem in problems))
        self.file = file
        self.problems = problems


class BundleError(SetupError):
    """The bundle cannot be loaded."""


class CorpusError(SetupError):
    """The corpus cannot be read."""


class MissingExtra(SetupError):
    """This command needs packages that are not installed."""

    def __init__(self, command: str, extra: str) -> None:
        super().__init__(f"'{command}' needs the '{extra}' extra: pip install 'fairstall[{extra}]'")


class NoScore(FairstallError):
    """The model gave no number for this listing."""


class InputError(FairstallError):
    """The request is wrong."""


class ListingError(InputError):
    """A listing's field is missing, too long or of the wrong type."""

    def __init__(self, field: str, problem: str, others: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(f"{field}: {problem}")
        self.problems = ((field, problem), *others)


class NotFound(InputError):
    """There is no such thing here."""


class Unauthorized(InputError):
    """A valid key is needed."""


class Forbidden(InputError):
    """This key or role does not allow that."""


class Conflict(InputError):
    """The present state does not allow that."""


class ServiceError(FairstallError):
    """The service cannot answer now.

    `on_timeout`: what the policies state for a listing that gets no answer, a value of `policies.OnTimeout`; None where
    no listing was asked about.
    """

    on_timeout: str | None = None


class Overloaded(ServiceError):
    """Too many listings are waiting; try again shortly."""


class DeadlineExceeded(ServiceError):
    """The answer would come too late; nothing was stored."""


class StoreUnavailable(ServiceError):
    """The database did not take the decision; nothing was stored."""
