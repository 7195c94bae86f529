"""Near-duplicates among waiting cases are found, counted and found again; what is not for the visitor is not there."""

import numpy as np
import pytest

from fairstall.labeling import clusters as clusters_module
from fairstall.labeling.alike import groups_alike
from fairstall.labeling.clusters import Clusters
from fairstall.labeling.differences import difference
from fairstall.labeling.permissions import Role
from fairstall.model.errors import NotFound
from fairstall.model.fingerprint import BINS, NEARLY_THE_SAME
from fairstall.model.listing import Listing
from fairstall.records.ledger import CaseReason

WATCH = "Automatic watch with sapphire glass, box and papers, new and unworn, bought for a birthday, size {}."
TUSK = "Carved figure of a fisherman from my grandfather's estate, a little yellowed, no cracks, {} cm tall."
ALONE = "Set of four chairs in oak, glued again last winter, seats covered with green wool, to be collected."


@pytest.fixture
def found(store):
    return Clusters(store.engine, store.clock, threshold=NEARLY_THE_SAME)


def test_copies_stand_together_the_largest_cluster_first_and_the_most_urgent_case_too(store, found):
    zoe = store.user("zoe", Role.SENIOR)
    tusks = [
        store.open_case("Figure", TUSK.format(size), seller_id=f"s-{size}", priority=size / 20) for size in (7, 14)
    ]
    watches = [store.open_case("Watch", WATCH.format(size), seller_id="one") for size in (38, 40, 42)]
    store.open_case("Chairs", ALONE)
    store.open_case("Short", "Too short to tell.")
    clustering = found.find(zoe)
    assert [set(cluster.case_ids) for cluster in clustering.clusters] == [set(watches), set(tusks)]
    watch, tusk = clustering.clusters
    assert (watch.heading, watch.sellers, watch.policies) == ("Watch", ("one",), {"prohibited/weapons": 3})
    assert (tusk.case_ids, tusk.sellers) == ((tusks[1], tusks[0]), ("s-14", "s-7"))
    assert (clustering.looked_at, clustering.bounded) == (7, False)


def test_a_cluster_is_found_again_by_its_name_after_a_colleague_took_the_most_urgent_of_it(store, found):
    zoe = store.user("zoe", Role.SENIOR)
    opened = [store.open_case("Watch", WATCH.format(size)) for size in (38, 40, 42)]
    [cluster] = found.find(zoe).clusters
    assert store.queue.claim(store.user("noor")).case_id == opened[0]
    assert found.like(cluster.name, zoe) == tuple(opened[1:])
    with pytest.raises(NotFound, match="do not wait together any more"):
        found.like(opened[0], zoe)


def test_blind_cases_are_neither_shown_nor_counted(store, found):
    zoe = store.user("zoe", Role.SENIOR)
    for reason in (CaseReason.CONTROL, CaseReason.GOLDEN, CaseReason.SECOND_OPINION, CaseReason.APPEAL):
        store.open_case("Watch", WATCH.format(38), reason=reason)
    store.open_case("Watch", WATCH.format(40))
    clustering = found.find(zoe)
    assert (clustering.clusters, clustering.looked_at) == ((), 1)


def test_only_the_most_urgent_are_looked_at_and_it_says_so(store, found, monkeypatch):
    monkeypatch.setattr(clusters_module, "LOOKED_AT", 2)
    zoe = store.user("zoe", Role.SENIOR)
    urgent = [store.open_case("Watch", WATCH.format(size)) for size in (38, 40)]
    store.open_case("Watch", WATCH.format(42))
    clustering = found.find(zoe)
    assert [set(cluster.case_ids) for cluster in clustering.clusters] == [set(urgent)]
    assert (clustering.looked_at, clustering.bounded) == (2, True)


def test_a_fingerprint_is_made_once_and_the_store_of_them_is_bounded(store, found, monkeypatch):
    made: list[object] = []
    monkeypatch.setattr(clusters_module, "view_listing", lambda listing: made.append(listing) or real(listing))
    monkeypatch.setattr(clusters_module, "PRINTS_KEPT", 3)
    zoe = store.user("zoe", Role.SENIOR)
    for size in (38, 40, 42):
        store.open_case("Watch", WATCH.format(size))
    for _ in range(2):
        assert len(found.find(zoe).clusters[0].case_ids) == 3
    assert len(made) == 3
    store.open_case("Watch", WATCH.format(44))
    assert len(found.find(zoe).clusters[0].case_ids) == 4
    assert len(found._prints) == 3


def test_a_threshold_of_zero_compares_nothing(store):
    store.open_case("Watch", WATCH.format(38))
    nothing = Clusters(store.engine, store.clock, threshold=0.0)
    assert nothing.find(store.user("zoe", Role.SENIOR)).clusters == ()


def test_who_is_like_one_of_a_group_belongs_to_it():
    draw = np.random.default_rng(0)
    first, far = (draw.integers(0, 256, BINS, dtype=np.uint8) for _ in range(2))
    second, third = first.copy(), first.copy()
    second[:8] = far[:8]
    third[:20] = far[:20]
    prints = [one.tobytes() for one in (far, first, second, third)]
    assert groups_alike(prints, 0.75) == [[1, 2, 3]]
    assert groups_alike([prints[1], prints[3]], 0.75) == []
    assert groups_alike([], 0.75) == []


def test_a_thousand_copies_are_one_group():
    copies = [np.arange(BINS, dtype=np.uint8).tobytes()] * 1_000
    assert groups_alike(copies, 0.75) == [list(range(1_000))]


def test_a_difference_names_the_words_that_one_has_more_often():
    first = Listing("1", "s", "Watch in steel", "Box and papers, box is worn")
    other = Listing("2", "s", "Watch in gold", "Box and papers, new " + "really " * 20)
    found = difference(first, other)
    assert (found.added[:3], found.missing) == (("gold", "new", "really"), ("steel", "box", "is", "worn"))
    assert (len(found.added), found.more) == (12, 10)
    assert not difference(first, first)


real = clusters_module.view_listing
