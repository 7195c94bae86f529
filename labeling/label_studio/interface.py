"""The labeling interface of a project: its XML, and the names in it that tasks and annotations refer to.

Sellers' texts are shown in Text tags, which Label Studio escapes; nothing a seller wrote is part of the XML.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from xml.etree import ElementTree

from fairstall.labeling.label_file import arriving
from fairstall.model.listing import TEXT_FIELDS, Field
from fairstall.model.policies import PolicySet

CHOICES = "policies"
COMPLIANT = "compliant"  # the codes of policies have a slash
ASKED_OF: Field = "title"  # each control belongs to one text, whatever else it is about
EVIDENCE: dict[Field, str] = {name: f"{name}_evidence" for name in TEXT_FIELDS}
NOTE = "note"
FACTS = ("category", "price", "market", "language")
KEYS = 9

_QUESTION = "Choose compliant, or every policy that the listing violates."


def config_path(tasks: Path) -> Path:
    """Where the configuration of a file of tasks is: `tasks.json` has `tasks.xml`."""
    return tasks.with_suffix(".xml")


def write_config(tasks: Path, policies: PolicySet, *, retired: Iterable[str] = ()) -> Path:
    """Write the configuration beside a file of tasks, and say where."""
    file = config_path(tasks)
    with arriving(file) as out:
        out.write(labeling_config(policies, retired=retired).encode())
    return file


def labeling_config(policies: PolicySet, *, retired: Iterable[str] = ()) -> str:
    """The XML of a project that asks for the policies in force, and for those of `retired` that annotations name.

    Choices and labels show a policy's title and are stored by its code; pointing at a choice shows the guideline. The
    keys are the console's: c for compliant, digits for the first nine policies.
    """
    root = ElementTree.Element("View")
    names = {**_names(policies), **{code: code for code in sorted(retired)}}
    for field in TEXT_FIELDS:
        _add_text(root, field, names)
    facts = " · ".join(f"{fact}: ${fact}" for fact in FACTS)
    ElementTree.SubElement(root, "Header", size="6", value=facts)
    _add_question(root, names, {policy.code: policy.guideline for policy in policies})
    note = {"name": NOTE, "toName": ASKED_OF, "placeholder": "Note", "rows": "2", "maxSubmissions": "1"}
    ElementTree.SubElement(root, "TextArea", note)
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode") + "\n"


def _names(policies: PolicySet) -> dict[str, str]:
    """What each policy is called: its title, with the code where two have the same."""
    count = Counter(policy.title for policy in policies)
    return {p.code: p.title if count[p.title] == 1 else f"{p.title} ({p.code})" for p in policies}


def _add_text(root: ElementTree.Element, field: Field, names: Mapping[str, str]) -> None:
    labels = ElementTree.SubElement(root, "Labels", name=EVIDENCE[field], toName=field)
    for code, name in names.items():
        ElementTree.SubElement(labels, "Label", value=name, alias=code)
    # Without valueType a server in secure mode would take the text for an address and fetch it.
    ElementTree.SubElement(root, "Text", name=field, value=f"${field}", valueType="text")


def _add_question(root: ElementTree.Element, names: Mapping[str, str], hints: Mapping[str, str]) -> None:
    asked = {"choice": "multiple", "required": "true", "requiredMessage": _QUESTION}
    choices = ElementTree.SubElement(root, "Choices", {"name": CHOICES, "toName": ASKED_OF, **asked})
    ElementTree.SubElement(choices, "Choice", value="Compliant", alias=COMPLIANT, hotkey="c")
    for number, (code, name) in enumerate(names.items(), start=1):
        key = {"hotkey": str(number)} if number <= KEYS else {}
        hint = {"hint": hints[code]} if code in hints else {}
        ElementTree.SubElement(choices, "Choice", {"value": name, "alias": code, **key, **hint})
