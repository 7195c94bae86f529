"""What metrics and scopes are called where people read them."""

from fairstall.evals.slices import LISTING, MACRO

HEADINGS = {
    "average_precision": "average precision",
    "precision_at_recall_80": "precision at recall 0.8",
    "recall_at_false_positives_1": "recall at 1 % false pos.",
    "recall": "recall",
    "false_positive_rate": "false pos. rate",
    "automation_rate": "automated",
    "automated_error_rate": "wrong of automated",
    "ece": "ECE",
    "brier": "Brier",
    "errors_captured_at_review_10": "errors captured at 10 %",
    "errors_captured_at_review_20": "errors captured at 20 %",
}


def scope_name(scope: str) -> str:
    """A scope in words: `policy/prohibited.drugs` is prohibited.drugs."""
    return {MACRO: "mean of policies", LISTING: "all listings"}.get(scope, scope.partition("/")[2] or scope)
