from collections.abc import Iterator

import pytest

from fairstall.model.decide import RuleMatch
from fairstall.model.listing import Listing
from fairstall.model.policies import Example, Policy, RuleAction
from fairstall.model.policy_file import starter_policies
from fairstall.model.rules import RuleBook
from fairstall.model.view import view_listing

CODES = (
    *(f"prohibited/{name}" for name in ("drugs", "medicines", "weapons", "tobacco", "counterfeit", "fraud_services")),
    *(f"prohibited/{name}" for name in ("hacking", "wildlife", "hazardous", "recalled", "adult")),
    *(f"misleading/{name}" for name in ("health_claim", "keyword_stuffing", "scam_offer", "off_platform")),
    *(f"misleading/{name}" for name in ("price_deception", "misdescribed")),
)
# Honest listings that use the words of a policy: each is a mistake that a rule could make.
EVERYDAY_GOODS = (
    "Weed & grass killer concentrate 32 oz",
    "Organic weed barrier fabric, 2 lb per roll",
    "YSL Black Opium eau de parfum 1.6 oz",
    "Corned beef hash 400g x 6 tins",
    "Coca-Cola Coke glass bottles 12 oz, pack of 24",
    "Folic acid tabs 400mcg, 120 tablets",
    "Cannabis sativa (hemp) seed oil 30 g, cold pressed",
    "CBD oil 500 mg, THC free",
    "Insulin pens travel cooler case, holds two pens",
    "Fat quarters bundle, rose bud flower fabric",
    "Hydro boost gel 28g, fragrance free",
    "9mm round gemstone beads, strand of 45",
    "Full Metal Jacket, 4K Blu-ray",
    "Nerf extended magazine, 18 darts",
    "Camel wool jumper with long sleeves",
    "Scented candle 220g tobacco vanille",
    "The Count of Monte Cristo, hardback",
    "Apple iPhone 12 64GB blue, see picture for small scratch",
    "Front loader washing machine, silent inverter motor",
    "Ultrasonic rat repeller, silent, plug-in",
    "Antique ivory cushion covers 45 x 45, set of 2",
    "Ivory silk blouse, real mother of pearl buttons",
    "Leopard print faux fur coat, size M",
    "Plush fox with soft tail, 30 cm",
    "Gas leak detector with alarm, kitchen",
    "Leakproof petrol can 5 l, green",
    "Mercury glass vase, 12 oz, silver",
    "Poison Ivy costume, full set with gloves",
    "Firecracker red nail polish",
    "Nitrile gloves, resistant to sulphuric acid",
    "Synth with memory recall for 128 presets",
    "Safety warning: toy not suitable for children under 36 months",
    "IKEA Malm dresser, white, 6 drawers",
    "Leather cuffs bracelet, punk style",
    "Sugar Daddy caramel pops, 24 count",
    "Hand sanitiser, kills 99.9% of bacteria and viruses",
    "Radio, works 100%, battery included",
    "Phone case fits Samsung, Huawei, Xiaomi, LG and Sony",
    "5 a day smoothies: make a day of it cookbook",
    "100% return policy, boxed kettle",
    "Turn-on signal light for motorcycle",
    "PVC inline valve, line ID 25 mm",
    "Coat was £120 now £60, winter sale",
    "You are buying a jewelry box in walnut",
    "You will receive a framed art print, 30 x 40",
    "Carding brushes for wool, pair",
    "Knockdown wardrobe, flat packed",
    "Shotgun microphone for camera, with move-proof clip",
    "Butterfly knife trainer comb, blunt",
    "Genuine leather belt, cowhide, 38 mm",
    "Samsung WW70J5555EX washing machine 7 kg 1400 rpm A+++",
    "HP 464059-121 power cable, 001 511778-001",
    "Mens ring, size 6.25 (925 silver), 12.5 x 8 mm, 2019-11-22",
    "EAN 5012345678900, model KX-TGC422, 220-240 V, 50/60 Hz",
    "Bosch phone stand for mobile 6.7 inch, 10 000 mAh",
)

STARTER = starter_policies()
RULES = RuleBook(STARTER)


def matches(example: Example) -> list[RuleMatch]:
    return RULES.matches(view_listing(Listing("l1", "s1", example.title, example.description)))


def all_examples() -> Iterator[Example]:
    for policy in STARTER:
        yield from (*policy.violations, *policy.look_alikes)


def test_starter_file_has_the_seventeen_policies_in_order():
    assert STARTER.codes == CODES
    assert STARTER.version.startswith("starter-")


@pytest.mark.parametrize("policy", STARTER.policies, ids=STARTER.codes)
def test_at_least_two_violating_examples_match_a_rule_of_their_policy(policy: Policy):
    matched = [example for example in policy.violations if policy.code in {m.policy for m in matches(example)}]
    assert len(matched) >= 2


@pytest.mark.parametrize("policy", STARTER.policies, ids=STARTER.codes)
def test_no_look_alike_is_sent_to_review_by_any_rule(policy: Policy):
    sent = [m for example in policy.look_alikes for m in matches(example) if m.action is not RuleAction.EVIDENCE]
    assert sent == []


def test_no_starter_rule_blocks_by_itself():
    rules = [rule for policy in STARTER for rule in (*policy.terms, *policy.patterns)]
    assert RuleAction.BLOCK not in {rule.action for rule in rules}


def test_examples_are_all_different():
    shown = [(example.title.casefold(), example.description.casefold()) for example in all_examples()]
    assert len(shown) == 102
    assert len(set(shown)) == len(shown)


@pytest.mark.parametrize("word", ["coke", "speed", "ivory", "replica", "hash", "python", "discreet", "recall"])
def test_ambiguous_word_alone_is_only_evidence(word: str):
    found = matches(Example(f"Lovely {word} for sale", "a word with two meanings"))
    assert {match.action for match in found} == {RuleAction.EVIDENCE}


@pytest.mark.parametrize(
    "text",
    [
        "WhatsApp me: +44 7700 900123",
        "text me at 202-555-0143 before noon",
        "mail to jane.doe@example.com please",
        "jane (at) gmail (dot) com",
        "wickr: greengrocer77",
        "telegram @greengrocer",
        "t.me/greengrocer",
        "pay by PayPal friends and family",
        "Tel. 0421 - 555 80 484",
        "zero seven seven zero zero nine zero zero one two three",
    ],
)
def test_contact_and_payment_elsewhere_is_sent_to_review(text: str):
    found = matches(Example("Oak table", "contact", f"Solid, 180 cm. {text}"))
    assert ("misleading/off_platform", RuleAction.REVIEW) in {(match.policy, match.action) for match in found}


@pytest.mark.parametrize("text", EVERYDAY_GOODS)
def test_everyday_goods_are_not_sent_to_review(text: str):
    for example in (Example(text, "title"), Example("See the description", "description", text)):
        assert [match for match in matches(example) if match.action is not RuleAction.EVIDENCE] == []
