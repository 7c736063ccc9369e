"""The templates that every clinic starts with: one YAML file each, named after the template."""

from functools import cache
from importlib.resources import files

import yaml

from policies.forms.template import Template
from policies.words import ConsentPurpose


@cache
def templates() -> dict[str, Template]:
    """The standard templates by name."""
    found = sorted((item.name, item.read_text()) for item in files(__name__).iterdir() if item.name.endswith(".yml"))
    return {name.removesuffix(".yml"): Template.model_validate(yaml.safe_load(text)) for name, text in found}


@cache
def consent_texts() -> dict[ConsentPurpose, str]:
    """The texts that a clinic's consent forms show until the clinic has some of its own."""
    folder = files(__name__)
    return {purpose: (folder / f"{purpose.value}.txt").read_text().strip() for purpose in ConsentPurpose}
