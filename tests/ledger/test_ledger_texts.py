"""Every code the ledger can answer with has its sentences in both languages."""

from __future__ import annotations

import re
import string
from pathlib import Path

import yunhe.ledger
from yunhe.kernel.language import LANGUAGES, texts

SOURCE = Path(yunhe.ledger.__path__[0])


def codes() -> set[str]:
    found = set[str]()
    for path in SOURCE.glob("*.py"):
        found |= set(re.findall(r'"(ledger\.[a-z_]+)"', path.read_text(encoding="utf-8")))
    return found


def fields(template: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(template) if name}


def test_the_texts_cover_exactly_the_codes_of_the_source() -> None:
    for language in LANGUAGES:
        written = {code.removesuffix(".do") for code in texts("ledger", language)}
        assert written == codes()


def test_both_languages_use_the_same_parameters() -> None:
    english, chinese = texts("ledger", "en"), texts("ledger", "zh")
    assert english.keys() == chinese.keys()
    for code, template in english.items():
        if not code.endswith(".do"):
            assert fields(template) == fields(chinese[code]), code


def test_every_refusal_says_what_to_do_next() -> None:
    raised = set[str]()
    pattern = (
        r'(?:Invalid|NotAllowed|NotFound|Conflict|Exhausted|Unavailable)\(\s*"(ledger\.[a-z_]+)"'
    )
    for path in SOURCE.glob("*.py"):
        raised |= set(re.findall(pattern, path.read_text(encoding="utf-8")))
    assert len(raised) >= 15
    for language in LANGUAGES:
        assert {code for code in raised if not texts("ledger", language).get(f"{code}.do")} == set()
