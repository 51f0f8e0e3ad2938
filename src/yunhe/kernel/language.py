"""Texts for people, in 中文 and English, from one JSON file per floor and language."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Literal

Language = Literal["en", "zh"]
"""The languages every text a person sees exists in."""
LANGUAGES: tuple[Language, ...] = ("en", "zh")


CHOICE = "YUNHE_LANG"
"""Variable that chooses one of `LANGUAGES` whatever the locale says."""


def from_environment(environment: Mapping[str, str] = os.environ) -> Language:
    """The language of `CHOICE`, or of the locale variables in the order POSIX gives them.

    English when none is set; a choice that is no language of ours counts as none.
    """
    chosen = next((each for each in LANGUAGES if each == environment.get(CHOICE)), None)
    if chosen is not None:
        return chosen
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        value = environment.get(name, "")
        if value:
            return "zh" if value.lower().startswith("zh") else "en"
    return "en"


@cache
def texts(floor: str, language: Language) -> Mapping[str, str]:
    """Every text of one floor; empty for a floor without a file."""
    path = files("yunhe") / "locale" / language / f"{floor}.json"
    if not path.is_file():
        return {}
    loaded: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
    return loaded


def step_text(step: str, language: Language) -> str:
    """The sentence of a step of long work; the step itself when it is one that no text knows.

    Jobs name steps as they like, so what they name is a key at most, never a template or a path.
    """
    floor, dot, rest = step.partition(".")
    known = texts(floor, language) if dot and rest and floor.isidentifier() else {}
    found = known.get(step, step)
    return step if "{" in found else found


def text(code: str, language: Language, **params: str | int) -> str:
    """The sentence for ``code`` with its parameters filled in; the bare code when none is written.

    A test walks the source and fails when a code has no sentence in either language, so a person
    meets the bare code only if a parameter is missing as well.
    """
    template = texts(code.split(".", 1)[0], language).get(code)
    if template is None:
        return "" if code.endswith(".do") else f"{code} {params or ''}".rstrip()
    try:
        return template.format_map(params)
    except (KeyError, IndexError, ValueError):
        return f"{template} {params}"
