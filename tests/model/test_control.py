from fairstall.model.control import NO_CONTROL, ControlSample

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
