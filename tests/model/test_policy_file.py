from pathlib import Path

import pytest
import yaml

from fairstall.model.dsa import DSA_KEYWORDS
from fairstall.model.errors import PolicyFileError, Problem
from fairstall.model.policies import OnTimeout, RuleAction, Severity
from fairstall.model.policy_file import MAX_FILE_BYTES, load_policies, parse_policies
from fairstall.model.policy_shape import SHAPES

GOOD = """\
version: test-1
policies:
  - code: prohibited/weapons
    title: Weapons
    seller_text: No weapons, please.
    guideline: Look at it.
    severity: high
    points: 5
    dsa: {category: STATEMENT_CATEGORY_UNSAFE_AND_PROHIBITED_PRODUCTS, keyword: KEYWORD_PROHIBITED_PRODUCTS}
    terms:
      review: [knuckle duster]
      evidence: [gun]
    patterns:
      review: ['\\d+ rounds']
    violations:
      - {title: Pistol, why: It shoots.}
      - {title: Rifle, why: It shoots too.}
      - {title: Rounds, description: Two hundred., why: It is shot.}
    look_alikes:
      - {title: Nail gun, why: A tool.}
      - {title: Glue gun, why: A tool as well.}
      - {title: Water pistol, why: A toy.}
"""


REVIEW = (
    "    review: {due_hours: 4, market_due_hours: {DE: 1.5}, reason_required: true, blur: true, second_share: 0.1}\n"
)


def problems_of(text: str) -> tuple[Problem, ...]:
    with pytest.raises(PolicyFileError) as caught:
        parse_policies(text, file="policies.yaml")
    return caught.value.problems


def only_problem(text: str) -> tuple[int, int, str, str]:
    (problem,) = problems_of(text)
    return problem.line, problem.column, problem.where, problem.message


def test_good_file_becomes_policies():
    policies = parse_policies(GOOD, file="policies.yaml")
    weapons = policies["prohibited/weapons"]
    assert weapons.severity is Severity.HIGH
    assert {(term.text, term.action) for term in weapons.terms} == {
        ("knuckle duster", RuleAction.REVIEW),
        ("gun", RuleAction.EVIDENCE),
    }
    assert weapons.patterns[0].regex == r"\d+ rounds"
    assert weapons.violations[2].description == "Two hundred."
    assert (weapons.targets.precision, weapons.targets.missed) == (0.99, 0.05)


def test_version_names_the_declared_version_and_changes_with_any_content():
    first = parse_policies(GOOD, file="a").version
    assert first == parse_policies(GOOD + "\n# a comment\n", file="b").version
    second = parse_policies(GOOD.replace("A toy.", "A wet toy."), file="a").version
    declared, _, digits = first.rpartition("-")
    assert declared == "test-1"
    assert len(digits) == 12
    assert first != second


def test_a_timeout_that_is_not_stated_holds_and_leaves_the_version_as_it_was():
    silent, stated = (parse_policies(text, file="a") for text in (GOOD, GOOD + "    on_timeout: hold\n"))
    other = parse_policies(GOOD + "    on_timeout: publish\n", file="a")
    assert (silent.on_timeout, other.on_timeout) == (OnTimeout.HOLD, OnTimeout.PUBLISH)
    assert silent.version == stated.version == "test-1-f582e8650078"
    assert other.version != silent.version
    (wrong,) = problems_of(GOOD + "    on_timeout: wait\n")
    assert "'hold', 'review' or 'publish'" in wrong.message


@pytest.mark.parametrize(
    ("old", "new", "line", "column", "where", "message"),
    [
        ("    title: Weapons\n", "", 3, 5, "prohibited/weapons title", "is missing"),
        ("points: 5", "points: many", 8, 13, "prohibited/weapons points", "should be a whole number, not 'many'"),
        (
            "points: 5",
            "points: 101",
            8,
            13,
            "prohibited/weapons points",
            "should be less than or equal to 100, not 101",
        ),
        (
            "title: Weapons",
            "title: 12",
            4,
            12,
            "prohibited/weapons title",
            "should be text, and 12 is not; put it in quotes",
        ),
        ("title: Weapons", "title: ''", 4, 12, "prohibited/weapons title", "is empty"),
        ("title: Weapons", "title:", 4, 11, "prohibited/weapons title", "is empty"),
        (
            "evidence: [gun]",
            "evidence: gun",
            12,
            17,
            "prohibited/weapons terms.evidence",
            "should be a list, not 'gun'",
        ),
        ("[gun]", "[gun, '  ']", 12, 23, "prohibited/weapons terms.evidence item 2", "is empty"),
        (
            "[gun]",
            "[Knuckle-Duster]",
            12,
            18,
            "prohibited/weapons terms.evidence item 1",
            "'knuckle duster' is given twice; first on line 11",
        ),
        (
            "severity: high",
            "severity: huge",
            7,
            15,
            "prohibited/weapons severity",
            "should be 'low', 'medium', 'high' or 'critical', not 'huge'",
        ),
        (
            "    points: 5",
            "    points: 5\n    targets: {precision: 1.5}",
            9,
            26,
            "prohibited/weapons targets.precision",
            "should be less than 1, not 1.5",
        ),
        (
            "      - {title: Water pistol, why: A toy.}\n",
            "",
            19,
            5,
            "prohibited/weapons look_alikes",
            "needs 3 examples and has 2",
        ),
        (
            "version: test-1",
            "version: 2026.11",
            1,
            10,
            "version",
            "should be text, and 2026.11 is not; put it in quotes",
        ),
    ],
)
def test_problem_stands_at_its_line_and_column(old, new, line, column, where, message):
    assert only_problem(GOOD.replace(old, new, 1)) == (line, column, where, message)


def test_unknown_field_is_named_with_the_fields_that_exist():
    line, column, where, message = only_problem(GOOD.replace("    points: 5", "    points: 5\n    colour: red"))
    assert (line, column, where) == (9, 5, "prohibited/weapons colour")
    assert "seller_text, guideline, severity" in message


def test_bad_code_is_refused_and_the_policy_is_named_by_it():
    line, column, where, message = only_problem(GOOD.replace("prohibited/weapons", "Weapons"))
    assert (line, column, where) == (3, 11, "Weapons code")
    assert message == "'Weapons' is not a code; a code looks like prohibited/weapons, in lower case"


def test_code_given_twice_is_found_at_the_second_place():
    policy = GOOD[GOOD.index("  - code") :]
    line, column, where, message = only_problem(GOOD + policy)
    assert (line, column, where) == (23, 11, "prohibited/weapons code")
    assert message == "'prohibited/weapons' is given twice; first on line 3"


def test_key_given_twice_is_found():
    line, column, _, message = only_problem(GOOD.replace("    points: 5", "    points: 5\n    points: 6"))
    assert (line, column, message) == (9, 5, "given twice; first on line 8")


@pytest.mark.parametrize(
    ("regex", "reason"),
    [
        ("(?<=a)b", "RE2 refuses it: invalid perl operator: (?<="),
        ("(a", "RE2 refuses it: missing ): (a"),
        ("((a{100}){100}){100}", "RE2 refuses it: "),
        ("x*", "it matches the empty text, so it would match everywhere"),
    ],
)
def test_pattern_that_cannot_run_is_refused_with_the_reason(regex, reason):
    line, column, where, message = only_problem(GOOD.replace(r"\d+ rounds", regex))
    assert (line, column, where) == (14, 16, "prohibited/weapons patterns.review item 1")
    assert message.startswith(reason)


def test_dsa_words_must_be_those_of_the_database():
    line, column, where, message = only_problem(GOOD.replace("KEYWORD_PROHIBITED_PRODUCTS", "KEYWORD_NUDITY"))
    assert (line, column, where) == (9, 81, "prohibited/weapons dsa.keyword")
    assert "whose keywords are KEYWORD_PROHIBITED_PRODUCTS, KEYWORD_UNSAFE_PRODUCTS, KEYWORD_OTHER" in message
    bad_category = GOOD.replace("STATEMENT_CATEGORY_UNSAFE_AND_PROHIBITED_PRODUCTS", "UNSAFE")
    assert only_problem(bad_category)[:3] == (9, 21, "prohibited/weapons dsa.category")


def test_every_category_has_a_keyword_for_the_rest():
    assert all("KEYWORD_OTHER" in keywords for keywords in DSA_KEYWORDS.values())
    assert all(category.startswith("STATEMENT_CATEGORY_") for category in DSA_KEYWORDS)


def test_all_problems_are_reported_together_in_the_order_of_lines():
    text = GOOD.replace("points: 5", "points: x").replace(r"\d+ rounds", "(").replace("why: A toy.", "way: A toy.")
    problems = problems_of(text)
    assert [problem.line for problem in problems] == [8, 14, 22, 22]
    with pytest.raises(PolicyFileError, match=r"(?m)^mine\.yaml:8:13: prohibited/weapons points: should be"):
        parse_policies(text, file="mine.yaml")


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ("", 1, 1, "the file is empty"),
        ("a: [1, 2\n", 2, 1, "this is not YAML"),
        ("a: b\n---\nc: d\n", 2, 1, "a second document begins here"),
        ("a: &x [1]\nb: *x\n", 1, 4, "anchors and aliases"),
        ("é: !!python/object/apply:os.system ['true']\n", 1, 4, "tags are not accepted"),
        ("[" * 50 + "]" * 50, 1, 13, "nested deeper than 12 levels"),
        ("? [a, b]\n: c\n", 1, 3, "a field's name must be plain text"),
        ("a: 'x\x07y'\n", 1, 6, "this character is not accepted: '\\x07'"),
    ],
)
def test_hostile_or_broken_yaml_is_refused_at_its_place(text, line, column, message):
    found = only_problem(text)
    assert found[:2] == (line, column)
    assert found[3].startswith(message)


def test_billion_laughs_is_refused_before_it_grows():
    lines = ["a0: &a0 [lol]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    assert only_problem("\n".join(lines))[0] == 1


def test_file_that_is_not_there_too_large_or_not_utf8_is_a_problem(tmp_path: Path):
    large, latin = tmp_path / "large.yaml", tmp_path / "latin.yaml"
    large.write_bytes(b"#" * (MAX_FILE_BYTES + 1))
    latin.write_bytes("version: a\ntitle: caf\xe9\n".encode("latin-1"))
    for path, line, column, words in (
        (tmp_path / "absent.yaml", 1, 1, "cannot be read: No such file"),
        (large, 1, 1, "is larger than 2,000,000 bytes"),
        (latin, 2, 11, "this is not UTF-8"),
    ):
        with pytest.raises(PolicyFileError, match=words) as caught:
            load_policies(path)
        assert (caught.value.problems[0].line, caught.value.problems[0].column) == (line, column)


def test_every_field_of_the_format_is_documented():
    page = Path("docs/policies.md").read_text(encoding="utf-8")
    fields = {name for shape in SHAPES.values() for name in shape.model_fields}
    assert sorted(name for name in fields if f"`{name}`" not in page) == []


def test_example_in_the_documentation_is_a_valid_file():
    page = Path("docs/policies.md").read_text(encoding="utf-8")
    example = page.split("```yaml\n", 1)[1].split("```", 1)[0]
    assert parse_policies(example, file="docs/policies.md").codes == tuple(
        policy["code"] for policy in yaml.safe_load(example)["policies"]
    )


def test_a_policy_states_how_people_review_it_and_is_the_same_policy_when_it_states_the_default():
    silent, default = (parse_policies(text, file="a") for text in (GOOD, GOOD + "    review: {due_hours: 24}\n"))
    stated = parse_policies(GOOD + REVIEW, file="a")
    assert silent.version == default.version != stated.version
    terms = stated["prohibited/weapons"].review
    assert (terms.due_hours_in(None), terms.due_hours_in("FR"), terms.due_hours_in("DE")) == (4, 4, 1.5)
    assert (terms.reason_required, terms.blur, terms.second_share) == (True, True, 0.1)
    (wrong,) = problems_of(GOOD + "    review: {due_hours: 0}\n")
    assert wrong.where == "prohibited/weapons review.due_hours"
