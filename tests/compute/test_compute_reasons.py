"""Reasons, errors and gaps can be kept, read back, and understood in both languages."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import yunhe.compute
from yunhe.compute.reasons import Change, Why, why_from
from yunhe.kernel.canonical import canonical_bytes
from yunhe.kernel.errors import YunheError
from yunhe.kernel.language import LANGUAGES, text, texts

CODES = re.compile(r"compute\.[a-z]+_[a-z0-9_]+")
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


HOME = Path(yunhe.compute.__file__).parent
FAMILIES = ("compute.focus_", "compute.match_")
"""Beginnings of codes that end with a kind, which the settlement names as a word of its own."""
FLOORS = ("compute", "cli", "api", "client")
"""Whose sources speak of this floor's codes; the client reads working folders."""


def trees() -> Iterator[ast.Module]:
    """What the floor says itself, and the doors in its words."""
    for floor in FLOORS:
        for path in (HOME.parent / floor).rglob("*.py"):
            yield ast.parse(path.read_text())


def words(folder: Path) -> set[str]:
    """Every text of its sources."""
    nodes = (
        node for path in folder.rglob("*.py") for node in ast.walk(ast.parse(path.read_text()))
    )
    return {n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str)}


def codes_in_the_source() -> set[str]:
    said = {word for each in FLOORS for word in words(HOME.parent / each)}
    kinds = words(HOME / "statements")
    families = {beginning + kind for beginning in FAMILIES for kind in kinds}
    return {word for word in said if CODES.fullmatch(word)} | (
        families & set(texts("compute", "en"))
    )


def codes_raised() -> set[str]:
    """First words of the errors that are made anywhere."""
    kinds = {each.__name__ for each in YunheError.__subclasses__()}
    return {
        str(node.args[0].value)
        for tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in kinds
        and node.args
        and isinstance(node.args[0], ast.Constant)
        and CODES.fullmatch(str(node.args[0].value))
    }


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
    raised = codes_raised()
    assert len(raised) > 50
    for code in english:
        met = code.startswith(("compute.waiting_", "compute.failed_")) or code in raised
        if met and not code.endswith(".do"):
            assert f"{code}.do" in english, code


@pytest.mark.parametrize(
    ("code", "head"),
    [
        ("waiting_maintenance", "Until the maintenance"),
        ("waiting_guarantee", "until the guarantee"),
    ],
)
def test_advice_about_what_has_begun_is_bound_to_before_it_begins(code: str, head: str):
    assert f"{head} begins" in text(f"compute.{code}.do", "en")
