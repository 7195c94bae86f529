"""A store that keeps nothing, to measure what durability costs. Only the bench serves with it."""

from collections.abc import Sequence

from fairstall.records.ledger import Submission


class ForgetfulStore:
    """Says of everything that it was stored."""

    def submit(self, submissions: Sequence[Submission]) -> list[bool]:
        return [True] * len(submissions)
