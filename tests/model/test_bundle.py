import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from fairstall.model.bundle import CARD_FILE, FACTS_FILE, MODEL_FILE, SEALED_FILES, Bundle, open_bundle, seal_bundle
from fairstall.model.errors import BundleError

MakeBundle = Callable[..., Bundle]


def test_an_opened_bundle_equals_the_sealed_one(make_tiny_bundle: MakeBundle, tmp_path: Path) -> None:
    sealed = make_tiny_bundle(tmp_path)
    assert open_bundle(tmp_path) == sealed
    assert sealed.version == f"tiny-{sealed.digest[:12]}"


@pytest.mark.parametrize("name", [*SEALED_FILES, FACTS_FILE])
def test_a_missing_file_is_named(make_tiny_bundle: MakeBundle, tmp_path: Path, name: str) -> None:
    make_tiny_bundle(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(BundleError, match=rf"{name} is missing"):
        open_bundle(tmp_path)


@pytest.mark.parametrize("name", SEALED_FILES)
def test_an_altered_file_is_named(make_tiny_bundle: MakeBundle, tmp_path: Path, name: str) -> None:
    make_tiny_bundle(tmp_path)
    with (tmp_path / name).open("ab") as file:
        file.write(b" ")
    with pytest.raises(BundleError, match=rf"{name} was altered"):
        open_bundle(tmp_path)


def test_a_threshold_edited_by_hand_is_noticed(make_tiny_bundle: MakeBundle, tmp_path: Path) -> None:
    make_tiny_bundle(tmp_path)
    facts = json.loads((tmp_path / FACTS_FILE).read_text())
    facts["thresholds"]["prohibited/drugs"]["block"]["value"] = 0.1
    (tmp_path / FACTS_FILE).write_text(json.dumps(facts))
    with pytest.raises(BundleError, match="digest does not match"):
        open_bundle(tmp_path)


@pytest.mark.parametrize("content", ["", "[]", "{", '{"format": 99}', "\x00"])
def test_what_is_no_bundle_file_is_refused(make_tiny_bundle: MakeBundle, tmp_path: Path, content: str) -> None:
    make_tiny_bundle(tmp_path)
    (tmp_path / FACTS_FILE).write_text(content)
    with pytest.raises(BundleError, match=FACTS_FILE):
        open_bundle(tmp_path)


def test_a_label_without_calibration_or_thresholds_is_refused(make_tiny_bundle: MakeBundle, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no calibration or thresholds for prohibited/drugs"):
        make_tiny_bundle(tmp_path, calibration={})


def test_sealing_a_folder_that_lacks_a_file_is_refused(make_tiny_bundle: MakeBundle, tmp_path: Path) -> None:
    bundle = make_tiny_bundle(tmp_path)
    (tmp_path / MODEL_FILE).unlink()
    with pytest.raises(BundleError, match=rf"{MODEL_FILE} is missing"):
        seal_bundle(tmp_path, bundle.facts)


def test_the_same_content_has_the_same_version_wherever_it_lies(make_tiny_bundle: MakeBundle, tmp_path: Path) -> None:
    one, two = make_tiny_bundle(tmp_path / "one"), make_tiny_bundle(tmp_path / "two")
    assert one.version == two.version
    (tmp_path / "two" / CARD_FILE).write_text("another card")
    assert seal_bundle(tmp_path / "two", two.facts).version != one.version


def test_a_number_that_json_does_not_have_is_refused(make_tiny_bundle: MakeBundle, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="NaN is no JSON number"):
        make_tiny_bundle(tmp_path, parity={"rows": float("nan")})


def test_a_sealed_file_that_lists_no_files_is_refused(make_tiny_bundle: MakeBundle, tmp_path: Path) -> None:
    make_tiny_bundle(tmp_path)
    facts = json.loads((tmp_path / FACTS_FILE).read_text())
    content = {name: value for name, value in facts.items() if name not in ("files", "digest")}
    digest = hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()
    (tmp_path / FACTS_FILE).write_text(json.dumps({**content, "digest": digest}))
    with pytest.raises(BundleError, match=r"model\.onnx was altered"):
        open_bundle(tmp_path)
