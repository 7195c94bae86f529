"""Listing: what a seller uploads, as plain values. Reading and writing JSON is `wire`'s business."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal, TypeAlias

Field: TypeAlias = Literal["title", "description"]
TEXT_FIELDS: tuple[Field, ...] = ("title", "description")


@dataclass(frozen=True, slots=True)
class Price:
    """`amount` in units of `currency` (ISO 4217), kept as the decimal that the seller gave."""

    amount: Decimal
    currency: str


@dataclass(frozen=True, slots=True)
class Listing:
    """One listing as uploaded; `title` and `description` are the seller's raw text, never cleaned.

    `reach`: how many people a day are expected to see it, where the upload service knows.
    """

    listing_id: str
    seller_id: str
    title: str
    description: str
    category: str | None = None
    price: Price | None = None
    language: str | None = None
    market: str | None = None
    reach: int | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)

    def text(self, name: Field) -> str:
        return self.title if name == "title" else self.description
