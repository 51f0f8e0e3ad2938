"""White space tidied: what goes, what stays, and that nothing visible ever changes."""

from __future__ import annotations

import numpy as np
import pytest
from corpus_steps import bytes_of, outcome, texts_after
from hypothesis import given, settings
from hypothesis import strategies as st

from yunhe.corpus import edits
from yunhe.corpus.kernels import edits as kernel
from yunhe.corpus.kernels import spaces

PIECES = st.sampled_from(
    ["小", "区", "，", "“", "…", "·", "a", "B1", "é", "😀", "\u2764\ufe0f", " ", "  ", "\n", "\r\n",
     "\r", "\t", "\u3000", "\u00a0", "\u200b", "\ufeff", "\u200d", "\u2028", "\x00", "\x7f", "\x85",
     "\u2003", "x" * 70, "好" * 30]
)  # fmt: skip
TEXTS = st.lists(st.lists(PIECES, max_size=14).map("".join), max_size=5)
OPTIONS = st.fixed_dictionaries(
    {
        "tabs": st.sampled_from(["keep", "space"]),
        "runs": st.sampled_from(["keep", "one"]),
        "blank_lines": st.sampled_from(["keep", "one", "none"]),
    }
)
LINE_ENDS = "\n\r\x0b\x0c\x85\u2028\u2029"
PLAIN = {" ": " ", "\t": "\t", "\u3000": " ", "\u00a0": " ", "\u2003": " "}
UNSEEN = {"\u200b", "\ufeff", "\x00", "\x7f"}


def kinds(text: str) -> list[tuple[str, str]]:
    """(what it is, itself) of each character: v visible, l line end, s space, u without width."""
    found = []
    for place, character in enumerate(text):
        if character in LINE_ENDS:
            kind = "l"
        elif character in PLAIN:
            kind = "s"
        elif character == "\u200d":
            before = text[place - 1] if place else "a"
            kind = "v" if before in "\ufe0f😀" else "u"
        else:
            kind = "u" if character in UNSEEN else "v"
        found.append((kind, character))
    return found


def tidied(text: str, tabs: str, runs: str, blank_lines: str) -> str:
    limit = {"keep": 1 << 40, "one": 2, "none": 1}[blank_lines]
    out, place, marks = [], 0, kinds(text)
    while place < len(marks):
        if marks[place][0] == "v":
            out.append(marks[place][1])
            place += 1
            continue
        stop = place
        while stop < len(marks) and marks[stop][0] != "v":
            stop += 1
        if place > 0 and stop < len(marks):
            out.append(between(marks[place:stop], tabs, runs, limit))
        place = stop
    return "".join(out)


def between(run: list[tuple[str, str]], tabs: str, runs: str, limit: int) -> str:
    whole = "".join(character for _, character in run)
    ends = whole.replace("\r\n", "\n")
    lines = min(sum(character in LINE_ENDS for character in ends), limit)
    last = max((place for place, (kind, _) in enumerate(run) if kind == "l"), default=-1)
    blanks = [PLAIN[character] for kind, character in run[last + 1 :] if kind == "s"]
    if tabs == "space":
        blanks = [" "] * len(blanks)
    if runs == "one" and last < 0:
        blanks = blanks[:1]
    return "\n" * lines + "".join(blanks)


@settings(deadline=None)
@given(TEXTS, OPTIONS)
def test_white_space_is_tidied_as_the_plain_reference_does(
    texts: list[str], options: dict[str, str]
) -> None:
    assert texts_after("spaces", texts, **options) == [tidied(t, **options) for t in texts]
    assert len(spaces.spaces.signatures) == 1


@settings(deadline=None)
@given(TEXTS, OPTIONS)
def test_what_was_tidied_once_stays_as_it_is(texts: list[str], options: dict[str, str]) -> None:
    once = texts_after("spaces", texts, **options)
    again = outcome("spaces", once, **options)
    assert again.texts is None


@settings(deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=90), max_size=4))
def test_no_visible_character_is_touched_in_any_text(texts: list[str]) -> None:
    after = texts_after("spaces", texts, tabs="space", runs="one", blank_lines="none")
    for before, text in zip(texts, after, strict=True):
        assert [c for c in text if c.isprintable() and not c.isspace()] == [
            c for c in before if c.isprintable() and not c.isspace() and c != "\ufffc"
        ][: len(text)]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("　　第一段，“引文”。", "第一段，“引文”。"),
        ("第一行  \n\n\n\n　　第二行\u200b", "第一行\n\n  第二行"),
        ("def f():\r\n    return 1\r\n", "def f():\n    return 1"),
        ("零\u200d宽", "零宽"),
        ("👨\u200d👩", "👨\u200d👩"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("全角！（），：；保留", "全角！（），：；保留"),
    ],
)
def test_examples_of_tidying(before: str, after: str) -> None:
    assert texts_after("spaces", [before], blank_lines="one") == [after]


def test_a_batch_with_nothing_to_tidy_is_not_copied_and_changed_texts_are_marked() -> None:
    assert outcome("spaces", ["好的 word", ""]).texts is None
    assert outcome("spaces", ["好的", "好 \n的", ""]).repairs.tolist() == [0, 1, 0]


@settings(deadline=None)
@given(TEXTS, st.data())
def test_edits_put_replacements_exactly_where_they_were_asked_for(
    texts: list[str], data: st.DataObject
) -> None:
    texts = [text or "空" for text in texts] or ["一"]
    inputs = bytes_of(texts)
    words = ["", "甲", "long words"]
    rows, expected, base = [], [], 0
    for text in texts:
        start = data.draw(st.integers(0, len(text) - 1))
        end = data.draw(st.integers(start + 1, len(text)))
        word = data.draw(st.integers(0, 2))
        first = base + len(text[:start].encode())
        rows.append((first, first + len(text[start:end].encode()), word))
        expected.append(text[:start] + words[word] + text[end:])
        base += len(text.encode())
    found = edits.Edits.of(rows)
    assert edits.applied(inputs, found, words).to_pylist() == expected
    gone = edits.removed(inputs, found, np.ones(len(rows), np.uint8))
    pieces = [t[s:e] for t, s, e in zip(texts, gone.starts, gone.ends, strict=True)]
    assert [p.encode() for p in pieces] == [inputs.data[s:e].tobytes() for s, e, _ in rows]
    assert edits.touched(inputs, found).tolist() == [1] * len(texts)
    assert len(kernel.replace.signatures) == 1


def test_a_kernel_that_finds_more_than_there_is_room_for_is_run_again() -> None:
    calls = []

    def find(starts, ends, kinds_):
        calls.append(len(starts))
        for place in range(min(5, len(starts))):
            starts[place], ends[place], kinds_[place] = place, place + 1, 0
        return 5

    assert edits.collected(find, 2).starts.tolist() == [0, 1, 2, 3, 4]
    assert calls == [2, 5]
