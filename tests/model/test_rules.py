import pytest
import re2
from hypothesis import given
from hypothesis import strategies as st

from fairstall.model.decide import RuleMatch
from fairstall.model.listing import Listing
from fairstall.model.policies import DsaClass, Pattern, Policy, PolicySet, RuleAction, Severity, Term
from fairstall.model.rules import EVIDENCE_CHARACTERS, MATCHES_PER_POLICY, RuleBook
from fairstall.model.terms import fold
from fairstall.model.view import view_listing

REVIEW, EVIDENCE, BLOCK = RuleAction.REVIEW, RuleAction.EVIDENCE, RuleAction.BLOCK


def policy(
    code: str, terms: dict[str, RuleAction] | None = None, patterns: dict[str, RuleAction] | None = None
) -> Policy:
    return Policy(
        code=code,
        title=code,
        seller_text="No.",
        guideline="Look.",
        severity=Severity.HIGH,
        points=1,
        dsa=DsaClass("STATEMENT_CATEGORY_OTHER_VIOLATION_TC", "KEYWORD_OTHER"),
        violations=(),
        look_alikes=(),
        terms=tuple(Term(text, action) for text, action in (terms or {}).items()),
        patterns=tuple(Pattern(regex, action) for regex, action in (patterns or {}).items()),
    )


def listing(title: str, description: str = "") -> Listing:
    return Listing("l1", "s1", title, description)


def found(policies: list[Policy], title: str, description: str = "") -> list[RuleMatch]:
    return RuleBook(PolicySet.named("t", tuple(policies))).matches(view_listing(listing(title, description)))


def texts(policies: list[Policy], title: str, description: str = "") -> list[str]:
    return [match.evidence.text for match in found(policies, title, description)]


def test_term_is_found_whole_and_without_regard_to_case():
    drugs = [policy("p/drugs", {"coke": REVIEW})]
    assert texts(drugs, "COKE, some Coke; coked-up cokes and decoke") == ["COKE", "Coke"]


def test_phrase_spans_dashes_line_ends_and_runs_of_space():
    weapons = [policy("p/weapons", {"knuckle duster": REVIEW})]
    assert texts(weapons, "knuckle-duster, Knuckle   Duster, knuckle\nduster, knuckle.duster") == [
        "knuckle-duster",
        "Knuckle   Duster",
        "knuckle\nduster",
    ]


def test_letters_that_grow_when_folded_keep_their_offsets():
    streets = [policy("p/streets", {"strasse": REVIEW, "glock": REVIEW})]
    raw = "İİ ß Straße ﬃ glock"
    (first, second) = found(streets, raw)
    assert raw[first.evidence.start : first.evidence.end] == first.evidence.text == "Straße"
    assert raw[second.evidence.start : second.evidence.end] == second.evidence.text == "glock"


def test_terms_work_in_scripts_that_write_no_spaces():
    wildlife = [policy("p/wildlife", {"象牙": REVIEW, "งาช้าง": REVIEW, "glock": REVIEW})]
    assert texts(wildlife, "古董象牙雕刻 ขายงาช้างแท้", "買glock手槍") == ["象牙", "งาช้าง", "glock"]


def test_cyrillic_words_end_where_the_word_ends():
    drugs = [policy("p/drugs", {"кокаин": REVIEW})]
    assert texts(drugs, "Кокаин, КОКАИН и кокаиновый") == ["Кокаин", "КОКАИН"]


def test_pattern_offsets_are_code_points_in_text_beyond_ascii():
    contact = [policy("m/contact", patterns={r"\+\d{2} \d{3,}": REVIEW})]
    raw = "😀 Größe 42, ЗВОНИТЕ +49 15112345 😀😀 +49 999"
    matches = found(contact, raw)
    assert [match.evidence.text for match in matches] == ["+49 15112345", "+49 999"]
    assert [raw[match.evidence.start : match.evidence.end] for match in matches] == ["+49 15112345", "+49 999"]


def test_evidence_of_a_disguised_word_is_what_the_seller_wrote():
    drugs = [policy("p/drugs", {"cocaine": REVIEW})]
    raw = "fresh c\u200bo\u200bc\u200baine and сосаine"
    matches = found(drugs, raw)
    assert [match.evidence.text for match in matches] == ["c\u200bo\u200bc\u200baine", "сосаine"]
    assert all(raw[match.evidence.start : match.evidence.end] == match.evidence.text for match in matches)


def test_overlapping_matches_of_one_policy_are_one_with_the_gravest_action():
    weapons = [
        policy("p/weapons", {"glock": EVIDENCE, "glock 19": REVIEW}, {r"19 gen \d": EVIDENCE}),
        policy("p/other", {"gen 4": EVIDENCE}),
    ]
    first, second = found(weapons, "my glock 19 gen 4")
    assert (first.policy, first.action, first.evidence.text) == ("p/weapons", REVIEW, "glock 19 gen 4")
    assert (second.policy, second.action, second.evidence.text) == ("p/other", EVIDENCE, "gen 4")


def test_matches_come_by_policy_then_field_then_position():
    policies = [policy("a/a", {"one": EVIDENCE}), policy("b/b", {"two": EVIDENCE})]
    order = [(m.policy, m.evidence.field, m.evidence.start) for m in found(policies, "two one one", "two one")]
    assert order == [
        ("a/a", "title", 4),
        ("a/a", "title", 8),
        ("a/a", "description", 4),
        ("b/b", "title", 0),
        ("b/b", "description", 0),
    ]


def test_flood_of_weak_words_cannot_push_out_a_grave_one():
    drugs = [policy("p/drugs", {"coke": EVIDENCE, "fentanyl": BLOCK})]
    matches = found(drugs, "coke", "coke, " * 5000 + " fentanyl")
    assert len(matches) == MATCHES_PER_POLICY
    assert matches[-1].action is BLOCK
    assert matches[0].evidence.field == "title"


def test_long_evidence_is_cut():
    tags = [policy("m/tags", patterns={r"(?:#\w+\s){5,}": REVIEW})]
    (match,) = found(tags, "x", "#tag " * 400)
    assert len(match.evidence.text) == EVIDENCE_CHARACTERS


def test_rules_of_a_set_without_terms_or_patterns_find_nothing():
    assert found([policy("p/none")], "anything", "at all") == []


def test_half_of_a_surrogate_pair_breaks_nothing():
    rules = [policy("p/x", {"ivory": REVIEW}, {r"tusk\w": REVIEW})]
    assert [text[-5:] for text in texts(rules, "\ud83d ivory \udc00 tusks")] == ["ivory", "tusks"]


@pytest.mark.parametrize("term", ["c++", "m&m's", "#4", "4-mmc", "b12"])
def test_terms_with_signs_and_digits_are_found(term):
    assert texts([policy("p/x", {term: REVIEW})], f"some {term}, cheap") == [term]


def test_terms_are_matched_with_either_apostrophe():
    assert texts([policy("p/x", {"driver's licence": REVIEW})], "A DRIVER’S LICENCE") == ["DRIVER’S LICENCE"]


@given(st.text(alphabet=st.sampled_from("aAßİﬃ ก้漢-_\n'’😀é\u0301x")))
def test_folding_maps_every_character_back_to_where_it_came_from(text):
    folded = fold(text)
    for index in range(len(folded.text)):
        start, end = folded.source_span(index, index + 1)
        assert end == start + 1
        assert folded.text[index] in fold(text[start:end]).text


@given(st.text(max_size=60), st.text(max_size=60))
def test_a_word_between_spaces_is_always_found_where_it_stands(before, after):
    raw = f"{before} zyxglock {after}"
    matches = found([policy("p/x", {"zyxglock": REVIEW})], "t", raw)
    assert any("zyxglock" in match.evidence.text for match in matches)
    assert all(match.evidence.text == raw[match.evidence.start : match.evidence.end] for match in matches)


def test_each_of_many_policies_is_found_whether_its_patterns_share_a_search_or_not() -> None:
    large = r"\pL{1,3}"  # three of them share a search
    policies = [policy(f"p{n}", patterns={rf"word{n}\b": REVIEW, rf"{large}#{n}\b": REVIEW}) for n in range(12)]
    for n in range(12):
        assert [match.policy for match in found(policies, f"a word{n} here")] == [f"p{n}"]
    assert [match.policy for match in found(policies, "word7", "word11 and word0")] == ["p0", "p7", "p11"]
    assert found(policies, "none of these words") == []


@pytest.mark.parametrize(
    "regex",
    [
        r"^knife",
        r"knife$",
        r"\Aknife",
        r"knife\z",
        r"^knife$",
        r"(?-m)^knife",
        r"(?i-m:^knife)",
        r"(?s)sharp.*knife",
        r"\bknife\B.",
        r"[^a]knife",
    ],
)
@pytest.mark.parametrize(
    ("title", "description"),
    [
        ("knife", "chair"),
        ("chair", "knife"),
        ("a knife", "a knife"),
        ("knife a", "knife a"),
        ("sharp", "knife"),
        ("", "knife"),
    ],
)
def test_a_pattern_sees_each_field_by_itself_whatever_it_says_of_beginnings_and_ends(regex, title, description):
    expected = [match.group() for text in (title, description) if (match := re2.search(regex, text))]
    assert texts([policy("p/one", patterns={regex: REVIEW})], title, description) == expected
    together = [policy("p/one", patterns={regex: REVIEW}), policy("p/two", patterns={"fork": REVIEW})]
    assert texts(together, title, description) == expected
