"""Every sentence a person can meet exists in both languages, with the same parameters."""

from __future__ import annotations

import json
import re
import string
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "yunhe"
FLOORS = sorted(path.stem for path in (SOURCE / "locale" / "en").glob("*.json"))


def load(language: str, floor: str) -> dict[str, str]:
    return json.loads((SOURCE / "locale" / language / f"{floor}.json").read_text("utf-8"))


def fields(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}


@pytest.mark.parametrize("floor", FLOORS)
def test_both_languages_have_the_same_texts_with_the_same_parameters(floor):
    english, chinese = load("en", floor), load("zh", floor)
    assert english.keys() == chinese.keys()
    different = [key for key in english if fields(english[key]) != fields(chinese[key])]
    assert different == []


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("floor", FLOORS)
def test_braces_in_a_text_are_parameters_or_doubled(floor, language):
    formatted = [
        key
        for key, value in load(language, floor).items()
        if any(
            name is not None and (form or turned or not re.fullmatch("[a-z_0-9]+", name))
            for _, name, form, turned in string.Formatter().parse(value)
        )
    ]
    assert formatted == []


@pytest.mark.parametrize("floor", FLOORS)
def test_chinese_texts_are_chinese_and_english_texts_are_not(floor):
    han = re.compile(r"[\u4e00-\u9fff]")
    letters = re.compile(r"[A-Za-z]{2}")
    english, chinese = load("en", floor), load("zh", floor)
    untranslated = [
        key
        for key, value in chinese.items()
        if letters.search(re.sub(r"\{[^}]*\}", "", value))
        and not han.search(value)
        and value != english[key]
    ]
    assert untranslated == []
    assert all(key.split(".", 1)[0] == floor for key in english)


def test_every_code_that_the_source_raises_has_a_sentence_and_advice():
    raised = re.compile(
        r"(?:Invalid|NotAllowed|NotFound|Conflict|Exhausted|Unavailable)\(\s*\"([a-z]+\.[a-z_0-9.]+)\""
    )
    found = re.compile(r"Finding\(\s*[^,()]+(?:\([^()]*\))?[^,()]*,\s*\"([a-z]+\.[a-z_0-9.]+)\"")
    missing = []
    for path in SOURCE.rglob("*.py"):
        code = path.read_text("utf-8")
        for name in raised.findall(code):
            texts = load("en", name.split(".")[0])
            missing += [key for key in (name, f"{name}.do") if key not in texts]
        for name in found.findall(code):
            missing += [name] if name not in load("en", name.split(".")[0]) else []
    assert missing == []
