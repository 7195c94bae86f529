from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fairstall.model.bundle import Bundle
from fairstall.model.encoding import Encoder, bundle_encoder, open_encoder
from fairstall.model.errors import BundleError
from fairstall.model.listing import Listing
from fairstall.model.view import view_listing

WORDS = ("book", "cocaine", "heroin", "ivory", "pistol", "toy")


@pytest.fixture(scope="module")
def encoder(tiny_bundle: Bundle) -> Encoder:
    return bundle_encoder(tiny_bundle)


def windows(encoder: Encoder, title: str, description: str) -> tuple[tuple[int, ...], ...]:
    return encoder.windows(view_listing(Listing("l", "s", title, description))).ids


def ids(encoder: Encoder, text: str) -> tuple[int, ...]:
    return tuple(encoder.tokenizer.encode(text, add_special_tokens=False).ids)


def test_a_short_listing_is_one_window_with_title_and_description(encoder: Encoder) -> None:
    cls, sep = encoder.tokenizer.token_to_id("[CLS]"), encoder.tokenizer.token_to_id("[SEP]")
    assert windows(encoder, "toy book", "ivory") == (
        (cls, *ids(encoder, "toy book"), sep, *ids(encoder, "ivory"), sep),
    )


@pytest.mark.parametrize(("title", "description"), [("toy", ""), ("", "toy")])
def test_a_part_that_is_empty_leaves_no_separator_behind(encoder: Encoder, title: str, description: str) -> None:
    cls, sep = encoder.tokenizer.token_to_id("[CLS]"), encoder.tokenizer.token_to_id("[SEP]")
    assert windows(encoder, title, description) == ((cls, *ids(encoder, "toy"), sep),)


def test_every_window_of_a_long_description_begins_with_the_title(encoder: Encoder) -> None:
    title = ids(encoder, "toy pistol")
    cut = windows(encoder, "toy pistol", "book " * 200)
    assert len(cut) > 3
    assert {window[1:3] for window in cut} == {title}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    title=st.lists(st.sampled_from(WORDS), max_size=60),
    body=st.lists(st.sampled_from(WORDS), min_size=1, max_size=300),
)
def test_every_pair_of_neighbouring_tokens_is_read_together_in_some_window(
    encoder: Encoder, title: list[str], body: list[str]
) -> None:
    tokens = ids(encoder, " ".join(body))
    cut = windows(encoder, " ".join(title), " ".join(body))
    pairs = {pair for window in cut for pair in pairwise(window)}
    assert max(len(window) for window in cut) <= encoder.max_tokens
    assert set(pairwise(tokens)) <= pairs


def test_text_beyond_the_last_window_is_reported_not_hidden(encoder: Encoder) -> None:
    few = replace(encoder, max_windows=2)
    long = view_listing(Listing("l", "s", "", "book " * 500))
    assert not few.windows(long).complete
    assert len(few.windows(long).ids) == 2
    assert replace(encoder, max_windows=100).windows(long).complete


def test_a_title_longer_than_its_share_is_read_on_as_description(encoder: Encoder) -> None:
    cut = windows(encoder, "toy " * 80 + "cocaine", "book")
    cocaine = ids(encoder, "cocaine")[0]
    assert any(cocaine in window for window in cut)


def test_a_file_that_is_no_tokenizer_is_refused_by_name(
    make_tiny_bundle: Callable[..., Bundle], tmp_path: Path
) -> None:
    bad = tmp_path / "tokenizer.json"
    bad.write_text("{}")
    with pytest.raises(BundleError, match=r"tokenizer\.json cannot be read"):
        open_encoder(bad, max_tokens=64, overlap_tokens=8, max_windows=4)


def test_windows_that_would_never_advance_are_refused(tiny_bundle: Bundle) -> None:
    with pytest.raises(BundleError, match="leave no room"):
        open_encoder(tiny_bundle.tokenizer, max_tokens=32, overlap_tokens=30, max_windows=4)
