"""Reasons, errors and gaps can be kept, read back, and understood in both languages."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import yunhe.compute
from yunhe.compute.reasons import Change, Why, why_from
from yunhe.kernel.canonical import canonical_bytes
from yunhe.kernel.language import LANGUAGES, texts

CODES = re.compile(r"compute\.[a-z]+_[a-z_]+")
names = st.text("abcdefgh_", min_size=1, max_size=8)
params = st.dictionaries(names, st.integers(0, 2**50) | st.text(max_size=20), max_size=4).map(
    lambda items: tuple(sorted(items.items()))
)
reasons = st.builds(
    Why,
    code=names,
    params=params,
    changes=st.lists(st.builds(Change, code=names, params=params), max_size=3).map(tuple),
    shorter_wall_seconds=st.integers(0, 10**6),
)


@given(reasons)
def test_a_reason_is_the_same_after_it_was_kept(why: Why) -> None:
    assert why_from(json.loads(canonical_bytes(why.as_json()))) == why


@pytest.mark.parametrize(
    "kept",
    [
        {"code": "x", "params": {}, "changes": {}, "shorter_wall_seconds": 0},
        {"code": "x", "params": [], "changes": [], "shorter_wall_seconds": 0},
        {"code": "x", "params": {}, "changes": [], "shorter_wall_seconds": "0"},
    ],
)
def test_what_is_no_reason_is_not_read_as_one(kept: dict) -> None:
    with pytest.raises(TypeError):
        why_from(kept)


def codes_in_the_source() -> set[str]:
    found = set()
    for path in Path(yunhe.compute.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            value = node.value if isinstance(node, ast.Constant) else None
            if isinstance(value, str) and CODES.fullmatch(value):
                found.add(value)
    return found


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_code_of_the_floor_has_its_sentences_and_no_sentence_is_idle(language) -> None:
    written = set(texts("compute", language))
    used = codes_in_the_source()
    assert len(used) > 50
    assert used <= written
    assert {code.removesuffix(".do") for code in written} == used


def test_both_languages_use_the_same_parameters_and_advise_on_the_same_codes() -> None:
    english, chinese = texts("compute", "en"), texts("compute", "zh")
    assert set(english) == set(chinese)
    for code, sentence in english.items():
        fields = re.findall(r"{(\w+)}", sentence)
        assert sorted(fields) == sorted(re.findall(r"{(\w+)}", chinese[code])), code


def test_whatever_a_person_meets_as_an_error_or_a_state_says_what_to_do() -> None:
    english = texts("compute", "en")
    for code in english:
        met = code.startswith(("compute.waiting_", "compute.failed_")) or code.endswith(
            ("_differs", "_unknown", "_failed", "_running", "_approved")
        )
        finding = code in {
            "compute.currency_unknown",
            "compute.chip_unknown",
            "compute.trial_failed",
        }
        if met and not finding and not code.endswith(".do"):
            assert f"{code}.do" in english, code
