"""The text on its way to the canonical view: what the passes have made of it so far. The passes live next door."""

from collections import defaultdict
from collections.abc import Sequence

from fairstall.model.canonical.offsets import Edit, Layer, rewrite


class Draft:
    """One text being rewritten pass by pass; `layers` lead back to its beginning, `tricks` counts what was undone."""

    __slots__ = ("layers", "text", "tricks")

    def __init__(self, raw: str) -> None:
        self.text = raw
        self.layers: list[Layer] = []
        self.tricks: defaultdict[str, int] = defaultdict(int)

    def edit(self, edits: Sequence[Edit]) -> None:
        """Make `edits`, in order and apart, and remember where everything was."""
        if edits:
            self.text, layer = rewrite(self.text, edits)
            self.layers.append(layer)

    def swap(self, text: str) -> None:
        """Take a text that differs character for character, so that no offset moves."""
        if len(text) != len(self.text):
            raise ValueError(f"{len(text)} characters cannot stand for {len(self.text)}; use edit()")
        self.text = text

    def swap_slices(self, edits: Sequence[Edit]) -> None:
        """Make `edits` that each keep their length."""
        if edits:
            self.swap(rewrite(self.text, edits)[0])
