"""What each public corpus is: file, hash, licence, and what its labels mean in our policies. It reads nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

DRUGS, MEDICINES, WEAPONS = "prohibited/drugs", "prohibited/medicines", "prohibited/weapons"
TOBACCO, COUNTERFEIT = "prohibited/tobacco", "prohibited/counterfeit"
FRAUD, HACKING, HAZARDOUS = "prohibited/fraud_services", "prohibited/hacking", "prohibited/hazardous"
RECALLED, HEALTH, STUFFING = "prohibited/recalled", "misleading/health_claim", "misleading/keyword_stuffing"
SCAM, OFF_PLATFORM = "misleading/scam_offer", "misleading/off_platform"
PRICE, MISDESCRIBED = "misleading/price_deception", "misleading/misdescribed"

Trust = Mapping[str, float]
NONE_STATED = "none stated"

# A live listing is hardly ever a weapon, but it may well be stuffed with keywords: subtle policies are trusted less.
LIVE: Trust = MappingProxyType(
    {COUNTERFEIT: 0.5, RECALLED: 0.5, HEALTH: 0.5, SCAM: 0.7}
    | {OFF_PLATFORM: 0.5, STUFFING: 0.3, PRICE: 0.3, MISDESCRIBED: 0.3}
)
# The vendor chose one category. Neighbouring ones overlap (heroin stands under pharma), so neighbours are unknown.
DARK: Trust = MappingProxyType(
    {SCAM: 0.2, OFF_PLATFORM: 0.2, STUFFING: 0.2, PRICE: 0.2, MISDESCRIBED: 0.2, HEALTH: 0.2}
    | {HAZARDOUS: 0.3, TOBACCO: 0.5}
)
NEIGHBOURS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        DRUGS: (MEDICINES, TOBACCO, HAZARDOUS),
        MEDICINES: (DRUGS, HAZARDOUS, HEALTH),
        TOBACCO: (DRUGS,),
        FRAUD: (HACKING, SCAM, COUNTERFEIT),
        HACKING: (FRAUD, SCAM),
        COUNTERFEIT: (FRAUD, MISDESCRIBED),
        WEAPONS: (HAZARDOUS,),
    }
)


@dataclass(frozen=True, slots=True)
class Recipe:
    """One source of the mirror: `corpora/NAME.jsonl.gz`.

    `policies` maps the source's label to a policy code. `label_trust` is what a violation teaches, by policy.
    `negative_trust` is what the absence of a policy teaches (1 where it names none); `other_trust` replaces that 1.
    `listing_style` is False for texts that are not listings, which are left out unless asked for.
    """

    name: str
    sha256: str
    origin: str
    licence: str = NONE_STATED
    policies: Mapping[str, str] = field(default_factory=dict)
    label_trust: Trust = field(default_factory=dict)
    negative_trust: Trust = field(default_factory=lambda: LIVE)
    other_trust: float = 1.0
    listing_style: bool = True

    @property
    def file_name(self) -> str:
        return f"{self.name}.jsonl.gz"


_DARK_POLICIES = {
    "prohibited/drugs": DRUGS,
    "prohibited/pharma": MEDICINES,
    "prohibited/weapons": WEAPONS,
    "prohibited/tobacco": TOBACCO,
    "prohibited/counterfeit": COUNTERFEIT,
    "prohibited/fraud_services": FRAUD,
    "prohibited/hacking_fraud": HACKING,
}

RECIPES: tuple[Recipe, ...] = (
    Recipe(
        "agora_2014",
        "61fb54d09e5ed3299a0111b19db1aba309e6cd1c2cd7d77df766dcb9c503735e",
        "mozzarellaV8/agora-marketplace (git history; crawl by the gwern dark-net-market archive)",
        policies=_DARK_POLICIES,
        negative_trust=DARK,
    ),
    Recipe(
        "darkmarket_scout",
        "a3c2144ba596ca234887ca08a4d4ace3f30d642787629ac8f817bb6669de6866",
        "hvdv99/dark-market-scout, dashboard/data/product_vendor.csv",
        policies=_DARK_POLICIES,
        label_trust={FRAUD: 0.5, HACKING: 0.5, MEDICINES: 0.8},
        negative_trust=DARK,
    ),
    Recipe(
        "vape_listings",
        "94445176c128414ed4a577c7106477bd7e7c5404e55ba0b86487e54ff9056071",
        "Sudhin-star1/Demo, DeepMindCreation/product_scraping/data",
        policies={"prohibited/tobacco": TOBACCO},
    ),
    Recipe(
        "replica_finds",
        "ae38fcdb9a48ef8e12ce3b7f9a1097ac0caf3f9db920166fb342cd51f792bf6f",
        "KallinDev/cnfans-finds",
        policies={"prohibited/counterfeit": COUNTERFEIT},
        label_trust={COUNTERFEIT: 0.3},
    ),
    Recipe(
        "depop_keyword_spam",
        "35b91756df4875f8e846055a053def926fad7a3ef8ae9ae71cbe1d1059bb79b2",
        "Alex-Dolia/spam_detection, data/train_set.tsv",
        policies={"misleading/keyword_stuffing": STUFFING},
        negative_trust={**LIVE, STUFFING: 1.0},
        other_trust=0.5,
    ),
    Recipe(
        "amazon_vaccine_misinfo",
        "902aadf4d211f815242202ef99ad795df0a3c03f70d2910e717a49cb86126f20",
        "social-comp/AmazonAudit-data (CHI 2021)",
        policies={"misleading/false_health_claim": HEALTH},
        label_trust={HEALTH: 0.5},
        negative_trust={**LIVE, HEALTH: 0.8},
        other_trust=0.5,
    ),
    Recipe(
        "emscad_subset",
        "2c53fab5566114f24db3c1417866657d0b078b51d832cf4fa3dec78ba5c58c98",
        "r-dube/fakejobs and another copy of a part of EMSCAD (University of the Aegean)",
        "none stated on the copies",
        policies={"misleading/fake_job": SCAM},
        negative_trust={**LIVE, SCAM: 1.0},
        other_trust=0.5,
    ),
    Recipe(
        "cpsc_recalls",
        "68b256d348fa36f49c8835498e3cabb9921044c6d0de8f733730ffdc7b121c9b",
        "rebekah-eichberg/summer-2025-safeify, Data/cpsc_data/recalls (US federal notices)",
        "none stated on the copy",
        policies={"prohibited/recalled": RECALLED},
        listing_style=False,
    ),
    Recipe(
        "flipkart",
        "d0733999af586061d147ae1ad95154e838f0d4ca06b91618ddbfe75877fe4656",
        "sonalkulk/Shack-labs-Pre-internship-test",
    ),
    Recipe(
        "amazon_uk_toys",
        "e279306e1eea45415be2a3284acddd7c2969e02a5bf15462ab4d8dcfbe3f62ee",
        "antoine-cr/Products_SQL",
    ),
    Recipe(
        "pricerunner_uci",
        "905ceb6b39a0bfbea43b608762a59be0e9082c3f4985e6facc61efeb5a50fb36",
        "KelvinLam05/product_classification (UCI PriceRunner set)",
        "none stated on the copy",
    ),
    Recipe(
        "shopee_tw_titles",
        "94d7d8696d7b6eb81cd12e9a60e00477b8dd8f755f7b5743619e862535bfad1e",
        "theryanlin/Shopee-Product-Title-Translation_ZH-EN",
    ),
    Recipe(
        "brightdata_walmart",
        "5f88832557529e299e5c7430dd401727989efb921b0ff3cbf8cfb60e4ea3dded",
        "trahinhasan/Marketplace-Product-Title-Quality-Classification",
    ),
    Recipe(
        "brightdata_shopee",
        "51c33a4f2822c3ebe2d1e0bbeed8b060a89ccc3433faa64fc80f360a13366bf9",
        "luminati-io/Shopee-dataset-samples",
        "none stated ('free sample')",
    ),
    Recipe(
        "kleinanzeigen_de",
        "38bab6fed0efef61c11c5b561500d3f07150340c30d8b9530f16fd79ea33e643",
        "LaYaMey/Kleinanzeigen_Scraper",
    ),
    Recipe(
        "tokopedia_sample",
        "a0fd5d32dbadb639979b24a8e65df47fe86fc6c6cdb617410627fa276b6edfe8",
        "crypter70/Tokopedia-Scraper",
        "MIT (on the code)",
    ),
)
