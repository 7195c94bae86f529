"""A policy file read into a PolicySet, or refused with every problem at its line. Its shape is in `policy_shape`."""

from collections.abc import Callable, Iterable, Iterator
from importlib.resources import files
from pathlib import Path

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from fairstall.model.errors import PolicyFileError, Problem
from fairstall.model.marked_yaml import Mark, MarkedYaml, read_marked
from fairstall.model.marked_yaml import Path as Place
from fairstall.model.policies import PolicySet, RuleAction
from fairstall.model.policy_shape import SHAPES, PolicyFileShape
from fairstall.model.terms import fold_term

MAX_FILE_BYTES = 2_000_000
EXAMPLES_OF_EACH_KIND = 3


def load_policies(path: Path) -> PolicySet:
    """The policies in the YAML file at `path`. Raises PolicyFileError with every problem that was found."""
    return parse_policies(_read(path), file=str(path))


def starter_policies() -> PolicySet:
    """The policies that Fairstall ships with, `policies/starter.yaml`."""
    source = files("fairstall.policies").joinpath("starter.yaml")
    return parse_policies(source.read_text(encoding="utf-8"), file="starter.yaml")


def parse_policies(text: str, *, file: str) -> PolicySet:
    """The policies in the text of a policy file that problems call `file`. Raises PolicyFileError."""
    marked = read_marked(text)
    problems = [_problem(marked, fault.mark, fault.path, fault.message) for fault in marked.faults]
    shape = None
    if marked.readable:
        problems += [_problem(marked, *found) for found in _beyond_shape(marked)]
        try:
            shape = PolicyFileShape.model_validate(marked.value)
        except ValidationError as error:
            problems += [_shape_problem(marked, detail) for detail in error.errors(include_url=False)]
    if problems or shape is None:
        raise PolicyFileError(file, tuple(sorted(problems, key=lambda p: (p.line, p.column))))
    return shape.policy_set()


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
        if len(content) > MAX_FILE_BYTES:
            raise _unreadable(path, f"is larger than {MAX_FILE_BYTES:,} bytes")
        return content.decode("utf-8")
    except OSError as error:
        raise _unreadable(path, f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8")
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        problem = Problem(line, column, "file", "this is not UTF-8; save the file as UTF-8")
        raise PolicyFileError(str(path), (problem,)) from error


def _unreadable(path: Path, message: str) -> PolicyFileError:
    return PolicyFileError(str(path), (Problem(1, 1, "file", message),))


def _problem(marked: MarkedYaml, mark: Mark, place: Place, message: str) -> Problem:
    return Problem(mark.line, mark.column, _where(marked.value, place), message)


def _where(value: object, place: Place) -> str:
    """A place in words: the policy's code, then the field, then which item of a list."""
    if len(place) < 2 or place[0] != "policies":
        return ".".join(map(str, place)) or "file"
    policy = _item(_item(value, "policies"), place[1])
    code = _item(policy, "code")
    name = code if isinstance(code, str) else f"policy {int(place[1]) + 1}"
    steps = [f" item {step + 1}" if isinstance(step, int) else f".{step}" for step in place[2:]]
    return f"{name} {''.join(steps).strip('.')}".strip()


def _item(value: object, key: str | int) -> object:
    if isinstance(value, dict):
        return value.get(key)
    if isinstance(value, list) and isinstance(key, int) and key < len(value):
        return value[key]
    return None


def _shape_problem(marked: MarkedYaml, detail: ErrorDetails) -> Problem:
    place: Place = detail["loc"]
    if detail["type"] == "missing":
        mark = marked.values[place[:-1]]
    elif detail["type"] == "extra_forbidden":
        mark = marked.keys[place]
    else:
        mark = marked.values[place]
    return _problem(marked, mark, place, _in_words(place, detail))


def _in_words(place: Place, detail: ErrorDetails) -> str:
    kind, value = detail["type"], detail["input"]
    if kind == "policy_file":
        return detail["msg"]
    if kind == "missing":
        return "is missing"
    if kind == "extra_forbidden":
        known = SHAPES[tuple(step for step in place[:-1] if isinstance(step, str))].model_fields
        return f"is not a field; the fields here are {', '.join(known)}"
    if value is None:
        return "is empty"
    if kind == "string_type" and not isinstance(value, dict | list):
        return f"should be text, and {value!r} is not; put it in quotes"
    return f"{_expected(detail)}, not {_short(value)}"


def _expected(detail: ErrorDetails) -> str:
    named = {
        "string_type": "should be text",
        "list_type": "should be a list",
        "model_type": "should hold fields",
        "int_type": "should be a whole number",
        "float_type": "should be a number",
    }
    return named.get(detail["type"], detail["msg"].removeprefix("Input ").removeprefix("List "))


def _short(value: object) -> str:
    if isinstance(value, dict | list):
        return "fields" if isinstance(value, dict) else "a list"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:56]}...'"


def _beyond_shape(marked: MarkedYaml) -> Iterator[tuple[Mark, Place, str]]:
    """What no single field can know: codes, terms and patterns given twice, and how many examples there are."""
    policies = _item(marked.value, "policies")
    codes: dict[str, Place] = {}
    for index, policy in enumerate(policies if isinstance(policies, list) else ()):
        at: Place = ("policies", index)
        yield from _repeated(marked, [((*at, "code"), _item(policy, "code"))], codes)
        yield from _repeated(marked, _rules(policy, at, "terms"), {}, fold_term)
        yield from _repeated(marked, _rules(policy, at, "patterns"), {})
        yield from _miscounted(marked, policy, at)


def _rules(policy: object, at: Place, field: str) -> Iterator[tuple[Place, object]]:
    rules = _item(policy, field)
    for action in RuleAction:
        listed = _item(rules, action)
        for index, text in enumerate(listed if isinstance(listed, list) else ()):
            yield (*at, field, action.value, index), text


def _repeated(
    marked: MarkedYaml,
    texts: Iterable[tuple[Place, object]],
    seen: dict[str, Place],
    alike: Callable[[str], str] = str,
) -> Iterator[tuple[Mark, Place, str]]:
    placed = [(place, alike(text)) for place, text in texts if isinstance(text, str) and text.strip()]
    for place, text in sorted(placed, key=lambda item: marked.values[item[0]]):
        if text in seen:
            first = marked.values[seen[text]].line
            yield marked.values[place], place, f"'{text}' is given twice; first on line {first}"
        seen.setdefault(text, place)


def _miscounted(marked: MarkedYaml, policy: object, at: Place) -> Iterator[tuple[Mark, Place, str]]:
    for field in ("violations", "look_alikes"):
        examples = _item(policy, field)
        if isinstance(examples, list) and len(examples) != EXAMPLES_OF_EACH_KIND:
            place = (*at, field)
            yield marked.keys[place], place, f"needs {EXAMPLES_OF_EACH_KIND} examples and has {len(examples)}"
