import uuid
from datetime import UTC, datetime, timedelta

from fairstall.model.identifiers import earliest_id, time_ordered_id

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def test_ids_are_version_7_uuids_of_their_moment() -> None:
    made = uuid.UUID(time_ordered_id(NOON))
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert made.int >> 80 == int(NOON.timestamp() * 1000)


def test_later_ids_sort_after_earlier_ones() -> None:
    ids = [time_ordered_id(NOON + timedelta(milliseconds=n)) for n in range(100)]
    assert ids == sorted(set(ids))


def test_the_earliest_id_of_a_moment_parts_what_was_made_before_from_the_rest() -> None:
    before, then = (time_ordered_id(NOON + timedelta(milliseconds=n)) for n in (-1, 0))
    assert before < earliest_id(NOON) <= then
