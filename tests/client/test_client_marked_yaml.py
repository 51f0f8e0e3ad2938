"""YAML written by hand: every value with its place, no aliases, keys given twice."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from yunhe.client.marked_yaml import read

WORDS = st.text("abc", min_size=1, max_size=3)
VALUES = st.recursive(
    st.integers() | WORDS | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=10,
)


def test_values_and_keys_have_their_places():
    found = read("a:\n  - 1\n  - b: 2\nc: x\n")
    assert found.value == {"a": [1, {"b": 2}], "c": "x"}
    lines = {place: (mark.line, mark.column) for place, mark in found.values.items()}
    assert lines[("a", 1, "b")] == (2, 7)
    assert (found.keys[("c",)].line, found.keys[("a", 1, "b")].column) == (3, 4)
    assert found.twice == []


def test_a_key_given_twice_is_noted_where_it_stands_the_second_time():
    [(key, mark)] = read("a: 1\nb: {c: 1, c: 2}\n").twice
    assert (key, mark.line, mark.column) == ("c", 1, 10)


@pytest.mark.parametrize("text", ["a: &x [1]\nb: *x\n", "a: &x {b: *x}\n"])
def test_aliases_are_refused_where_they_stand(text: str):
    with pytest.raises(yaml.MarkedYAMLError) as refused:
        read(text)
    assert refused.value.problem_mark is not None


@pytest.mark.parametrize("text", ["[", "a: b: c", "\x01", "a: 2026-02-31", "--- 1\n--- 2\n"])
def test_what_is_no_yaml_is_an_error_of_its_own(text: str):
    with pytest.raises((yaml.YAMLError, ValueError)):
        read(text)


def test_nothing_is_nothing_and_what_is_too_deep_is_refused():
    assert read("").value is None
    with pytest.raises(RecursionError):
        read("[" * 5_000 + "]" * 5_000)


@given(VALUES)
def test_it_reads_what_the_safe_reader_reads_and_marks_all_of_it(value):
    found = read(yaml.safe_dump(value))
    assert found.value == value

    def places(inside, place=()):
        yield place
        if isinstance(inside, dict):
            for name, item in inside.items():
                yield from places(item, (*place, name))
        elif isinstance(inside, list):
            for number, item in enumerate(inside):
                yield from places(item, (*place, number))

    assert set(found.values) == set(places(value))
