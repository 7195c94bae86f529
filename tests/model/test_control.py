from fairstall.model.control import NO_CONTROL, ControlSample, ListingShare

IDS = [f"listing-{number}" for number in range(20_000)]


def test_the_share_drawn_is_the_inclusion_probability() -> None:
    drawn = sum(ControlSample(b"key", 0.05).draws(listing_id) for listing_id in IDS)
    assert abs(drawn - 1_000) < 5 * (20_000 * 0.05 * 0.95) ** 0.5


def test_the_same_listing_is_always_drawn_or_never() -> None:
    sample = ControlSample(b"key", 0.5)
    assert [sample.draws(i) for i in IDS[:100]] == [sample.draws(i) for i in IDS[:100]]


def test_another_key_draws_other_listings() -> None:
    one, two = ({i for i in IDS if ControlSample(key, 0.01).draws(i)} for key in (b"one", b"two"))
    assert len(one & two) < len(one) / 4


def test_rate_one_draws_all_and_rate_zero_none() -> None:
    assert all(ControlSample(b"key", 1.0).draws(i) for i in IDS[:100])
    assert not any(NO_CONTROL.draws(i) for i in IDS[:100])


def test_a_share_for_another_purpose_is_drawn_independently() -> None:
    control, other = ControlSample(b"key", 0.05), ListingShare(b"key", "other", 0.05)
    drawn = {i for i in IDS if other.draws(i)}
    assert abs(len(drawn) - 1_000) < 5 * (20_000 * 0.05 * 0.95) ** 0.5
    assert sum(map(control.draws, drawn)) < 100
    assert drawn == {i for i in IDS if ListingShare(b"key", "other", 0.05).draws(i)}
    assert drawn < {i for i in IDS if ListingShare(b"key", "other", 0.1).draws(i)}


def test_a_whole_share_draws_all_and_an_empty_one_none() -> None:
    assert all(ListingShare(b"key", "other", 1.0).draws(i) for i in IDS[:100])
    assert not any(ListingShare(b"key", "other", 0.0).draws(i) for i in IDS[:100])
