"""Tensors of the Open Inference Protocol as JSON: what comes in and goes out, and listings as their rows.

After https://github.com/kserve/open-inference-protocol, inference_rest.md. BYTES are strings, flat or nested.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, WithJsonSchema

from fairstall.model.errors import ListingError
from fairstall.model.listing import Listing
from fairstall.model.wire import Description, Identifier, LanguageTag, Title
from fairstall.records.keys import ApiKey
from fairstall.serving.bodies import read_listing
from fairstall.serving.limits import Limits
from fairstall.serving.unnamed import listing_id_of, seller_id_of

Name: TypeAlias = Annotated[str, StringConstraints(max_length=200)]
Parameters: TypeAlias = dict[str, Any]

REQUIRED = ("title", "description")
OPTIONAL = ("listing_id", "seller_id", "language")
INPUTS = REQUIRED + OPTIONAL
OUTPUTS = ("outcome", "probabilities", "decision_id", "labels")
MOST_ROWS = Limits().batch_listings

_TEXTS: Mapping[str, Any] = {
    "title": Title,
    "description": Description,
    "listing_id": Identifier | Literal[""],
    "seller_id": Identifier | Literal[""],
    "language": LanguageTag | Literal[""],
}


def _column(name: str) -> dict[str, Any]:
    """An input as JSON Schema has it, for the OpenAPI document alone; `read_rows` asks more."""
    text = TypeAdapter(_TEXTS[name]).json_schema()
    one_by_one = {"type": "array", "items": text, "minItems": 1, "maxItems": 1}
    rows = {"type": "integer", "minimum": 1, "maximum": MOST_ROWS}
    return {
        "type": "object",
        "properties": {
            "name": {"const": name},
            "shape": {"type": "array", "prefixItems": [rows, {"const": 1}], "minItems": 1, "maxItems": 2},
            "datatype": {"const": "BYTES"},
            "parameters": {"type": ["object", "null"]},
            "data": {"type": "array", "items": {"anyOf": [text, one_by_one]}, "minItems": 1, "maxItems": MOST_ROWS},
        },
        "required": ["name", "shape", "datatype", "data"],
        "additionalProperties": False,
    }


_COLUMNS = {
    "description": "Columns of the same length, which is the first number of their shapes, each of them once.",
    "type": "array",
    "minItems": len(REQUIRED),
    "maxItems": len(INPUTS),
    "items": {"anyOf": [_column(name) for name in INPUTS]},
    "allOf": [{"contains": {"properties": {"name": {"const": name}}}} for name in REQUIRED],
}


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class InputTensor(_Body):
    """One column of the listings: a string for each."""

    name: Name
    shape: Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1, max_length=2)]
    datatype: Name
    parameters: Parameters | None = None
    data: list[Any]


class RequestedOutput(_Body):
    name: Annotated[Name, Field(json_schema_extra={"enum": list(OUTPUTS)})]
    parameters: Parameters | None = None


class InferenceBody(_Body):
    """What an inference request holds. Parameters are taken, and none has a meaning."""

    id: Name | None = None
    parameters: Parameters | None = None
    inputs: Annotated[list[InputTensor], Field(max_length=len(INPUTS)), WithJsonSchema(_COLUMNS)]
    outputs: Annotated[list[RequestedOutput], Field(max_length=len(OUTPUTS))] | None = None


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor of an answer; `data` is flat and row-major."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    data: Sequence[Any]

    def body(self) -> dict[str, Any]:
        return {"name": self.name, "datatype": self.datatype, "shape": list(self.shape), "data": list(self.data)}


def read_rows(inputs: Sequence[InputTensor], caller: ApiKey, *, at_most: int) -> dict[str, Listing]:
    """The listings whose columns the tensors are, by their place. Raises ListingError, which names tensor and row."""
    for tensor in inputs:
        if not 1 <= len(tensor.data) <= at_most:
            raise ListingError(tensor.name[:80], f"1 to {at_most} elements are taken, these are {len(tensor.data)}")
    columns = _columns(inputs)
    rows = len(columns["title"])
    for name, column in columns.items():
        if len(column) != rows:
            raise ListingError(name, f"has {len(column)} elements where 'title' has {rows}")
    fields = [{name: column[row] for name, column in columns.items()} for row in range(rows)]
    return {f"title[{row}]": _row(given, row, caller) for row, given in enumerate(fields)}


def _columns(inputs: Sequence[InputTensor]) -> Mapping[str, list[str]]:
    columns: dict[str, list[str]] = {}
    for tensor in inputs:
        if tensor.name not in INPUTS:
            raise ListingError(tensor.name[:80], f"no such input: there are {', '.join(INPUTS)}")
        if tensor.name in columns:
            raise ListingError(tensor.name, "the input occurs more than once")
        columns[tensor.name] = _strings(tensor)
    for name in REQUIRED:
        if name not in columns:
            raise ListingError(name, "this input is needed")
    return columns


def _strings(tensor: InputTensor) -> list[str]:
    if tensor.datatype != "BYTES":
        raise ListingError(tensor.name, f"the datatype is {tensor.datatype[:80]!r}: BYTES is needed")
    values = [value[0] if isinstance(value, list) and len(value) == 1 else value for value in tensor.data]
    if not all(isinstance(value, str) for value in values):
        raise ListingError(tensor.name, "each element has to be a string")
    if tensor.shape not in ([len(values)], [len(values), 1]):
        raise ListingError(tensor.name, f"the shape {tensor.shape} is not [{len(values)}], which its data have")
    return values


def _row(fields: Mapping[str, str], row: int, caller: ApiKey) -> Listing:
    """One listing. A tensor has no gaps, so an empty optional element counts as one that was not given."""
    given = {name: value for name, value in fields.items() if value or name in REQUIRED}
    made = {"listing_id": listing_id_of(given["title"], given["description"]), "seller_id": seller_id_of(caller)}
    try:
        return read_listing(made | given)
    except ListingError as error:
        first, *others = ((f"{field}[{row}]", problem) for field, problem in error.problems)
        raise ListingError(*first, others=tuple(others)) from error
