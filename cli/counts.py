"""A number and its word, as commands print them."""


def counted(count: int, one: str, many: str) -> str:
    """`1 row`, `2,400 rows`: the word that goes with the count."""
    return f"{count:,} {one if count == 1 else many}"
