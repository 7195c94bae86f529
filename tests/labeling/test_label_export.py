"""What was pressed is what is exported, with where it comes from."""

import hashlib
import json

import pytest

from fairstall.labeling.export import export_labels
from fairstall.labeling.label_file import manifest_path
from fairstall.labeling.label_import import import_labels
from fairstall.labeling.verdicts import ReviewVerdict
from fairstall.model.errors import InputError
from fairstall.records.erasure import Erasure
from fairstall.records.ledger import CaseReason
from fairstall.records.tables import cases

VIOLATION, COMPLIANT = ReviewVerdict.VIOLATION, ReviewVerdict.COMPLIANT
WEAPONS = ("prohibited/weapons",)
CODES = ("prohibited/weapons", "prohibited/drugs")


def decide(store, user, verdict, policies=(), case_id=None):
    case = store.queue.claim(user)
    assert case_id in (None, case.case_id)
    return store.queue.decide(case.case_id, user, verdict, policies)


def exported(store, folder) -> list[dict]:
    out = folder / "labels.jsonl"
    export_labels(store.engine, out)
    return [json.loads(line) for line in out.read_text().splitlines()]


def test_a_label_carries_its_text_and_its_provenance(store, tmp_path):
    mira = store.user()
    case_id = store.open_case("Flick knife", "Sharp.", reason=CaseReason.CONTROL, inclusion_probability=0.01)
    review = decide(store, mira, VIOLATION, WEAPONS)
    (row,) = exported(store, tmp_path)
    assert row.pop("id").startswith("review:")
    assert row.pop("decision_id") != review.decision_id
    assert row.pop("reviewed_at").startswith("2026-11-22T12:00:00.")
    assert row == {
        "title": "Flick knife",
        "description": "Sharp.",
        "language": "en",
        "verdict": "violation",
        "policies": ["prohibited/weapons"],
        "label_kind": "review",
        "case_id": case_id,
        "reason": "control",
        "reviews": 1,
        "reviewers": 1,
        "decided_together": 1,
        "agreeing": 1,
        "model_version": "tiny-000000000000",
        "policies_version": "test-000000000000",
        "inclusion_probability": 0.01,
        "scores": {"prohibited/weapons": 0.42, "prohibited/drugs": 0.01},
    }


def test_erased_listings_are_left_out(store, tmp_path):
    mira = store.user()
    for seller in ("ana", "ben"):
        store.open_case(f"Flick knife of {seller}", seller_id=seller)
        decide(store, mira, VIOLATION, WEAPONS)
    Erasure(store.engine, "ana", store.clock).run(actor="operator:kim", reason="ticket 7")
    assert [row["title"] for row in exported(store, tmp_path)] == ["Flick knife of ben"]


def test_undone_reviews_are_left_out(store, tmp_path):
    mira = store.user()
    store.open_case()
    decide(store, mira, VIOLATION, WEAPONS)
    store.queue.undo(mira)
    assert exported(store, tmp_path) == []
    decide(store, mira, COMPLIANT)
    (row,) = exported(store, tmp_path)
    assert (row["verdict"], row["policies"], row["reviews"]) == ("compliant", [], 1)


def test_the_latest_review_gives_the_label_and_agreement_is_counted(store, tmp_path):
    store.open_case()
    verdicts = ((VIOLATION, WEAPONS), (COMPLIANT, ()), (VIOLATION, WEAPONS))
    for name, (verdict, policies) in zip(("mira", "noor", "zoe"), verdicts, strict=True):
        decide(store, store.user(name), verdict, policies)
        with store.engine.begin() as connection:
            connection.execute(cases.update().values(state="open"))
    (row,) = exported(store, tmp_path)
    assert (row["verdict"], row["reviews"], row["reviewers"], row["agreeing"]) == ("violation", 3, 3, 2)


def test_the_manifest_describes_the_file(sqlite_store, tmp_path):
    mira = sqlite_store.user()
    for title in ("A knife", "A book\u2028with \x85 odd line ends"):
        sqlite_store.open_case(title)
    decide(sqlite_store, mira, VIOLATION, CODES)
    decide(sqlite_store, mira, COMPLIANT)
    assert len(exported(sqlite_store, tmp_path)) == 2
    manifest = json.loads(manifest_path(tmp_path / "labels.jsonl").read_text())
    assert manifest.pop("sha256") == hashlib.sha256((tmp_path / "labels.jsonl").read_bytes()).hexdigest()
    assert manifest.pop("reviewed_from") < manifest.pop("reviewed_until")
    assert manifest == {
        "format": 1,
        "file": "labels.jsonl",
        "rows": 2,
        "verdicts": {"compliant": 1, "violation": 1},
        "policies": {"prohibited/weapons": 1, "prohibited/drugs": 1},
        "model_versions": ["tiny-000000000000"],
        "policies_versions": ["test-000000000000"],
    }


def test_an_export_leaves_nothing_but_its_two_files(sqlite_store, tmp_path):
    exported(sqlite_store, tmp_path / "new")
    assert {file.name for file in (tmp_path / "new").iterdir()} == {"labels.jsonl", "labels.manifest.json"}


def test_training_reads_what_is_exported(sqlite_store, tmp_path):
    reviewed = pytest.importorskip("fairstall.training.reviewed")
    sqlite_store.open_case("A knife\u2028", reason=CaseReason.CONTROL, inclusion_probability=0.1)
    decide(sqlite_store, sqlite_store.user(), VIOLATION, WEAPONS)
    export_labels(sqlite_store.engine, tmp_path / "labels.jsonl")
    (row,) = reviewed.review_rows(tmp_path / "labels.jsonl", CODES)
    assert (row.title, row.labels, row.weight, row.label_kind) == ("A knife\u2028", (1.0, 0.0), 10.0, "review")


def test_an_export_can_be_imported_elsewhere(sqlite_store, tmp_path):
    sqlite_store.open_case()
    decide(sqlite_store, sqlite_store.user(), VIOLATION, WEAPONS)
    rows = exported(sqlite_store, tmp_path)
    for _ in range(2):
        manifest = import_labels(tmp_path / "labels.jsonl", tmp_path / "imported", codes=CODES)
    kept = tmp_path / "imported" / manifest.file
    assert [json.loads(line) for line in kept.read_text().splitlines()] == rows
    assert {file.suffix for file in kept.parent.iterdir()} == {".jsonl", ".json"}


GOOD = {
    "id": "mine:1",
    "title": "Cane with a blade in it",
    "description": "",
    "language": "en",
    "verdict": "violation",
    "policies": ["prohibited/weapons"],
    "label_kind": "human",
}


def test_a_label_without_provenance_counts_once_and_fully(tmp_path):
    (tmp_path / "mine.jsonl").write_text("\n" + json.dumps(GOOD) + "\n\n")
    manifest = import_labels(tmp_path / "mine.jsonl", tmp_path / "imported", codes=CODES)
    (row,) = map(json.loads, (tmp_path / "imported" / manifest.file).read_text().splitlines())
    assert (row["reviews"], row["inclusion_probability"], row["decision_id"]) == (1, 1.0, None)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("{", "2: label: Invalid JSON"),
        ("[]", "2: label: Input should be an object"),
        (json.dumps(GOOD | {"verdict": "maybe"}), "2: verdict: Input should be 'compliant' or 'violation'"),
        (json.dumps(GOOD | {"policies": []}), "2: label: a violation names its policies"),
        (
            json.dumps(GOOD | {"policies": ["prohibited/joy"]}),
            "2: policies: no policy in force is called 'prohibited/joy'",
        ),
        (json.dumps(GOOD | {"colour": "red"}), "2: colour: Extra inputs are not permitted"),
        (json.dumps(GOOD | {"title": " "}), "2: label: title and description are both empty"),
        (json.dumps(GOOD | {"title": 5}), "2: title: Input should be a valid string"),
        (json.dumps(GOOD | {"label_kind": "guess"}), "2: label_kind: Input should be 'review'"),
        (json.dumps(GOOD | {"inclusion_probability": 0}), "2: inclusion_probability: Input should be greater than 0"),
        (json.dumps(GOOD), "2: id: 'mine:1' is on line 1 already"),
        ("x" * 1_000_002 + "\n" + json.dumps(GOOD), "2: the line is longer than 1000000 bytes"),
    ],
)
def test_a_wrong_line_is_named_and_nothing_is_kept(tmp_path, line, problem):
    file = tmp_path / "mine.jsonl"
    file.write_text(json.dumps(GOOD) + "\n" + line + "\n")
    with pytest.raises(InputError) as refused:
        import_labels(file, tmp_path / "imported", codes=CODES)
    assert f"{file}:{problem}" in str(refused.value)
    assert not (tmp_path / "imported").exists()


def test_an_empty_or_missing_file_is_refused(tmp_path):
    (tmp_path / "empty.jsonl").write_text("\n")
    with pytest.raises(InputError, match="it has no labels"):
        import_labels(tmp_path / "empty.jsonl", tmp_path, codes=CODES)
    with pytest.raises(InputError, match=r"none\.jsonl cannot be read: No such file"):
        import_labels(tmp_path / "none.jsonl", tmp_path, codes=CODES)
